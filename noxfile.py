"""Does it hold under other versions, other kernels of BLAS, more threads?

    nox -s oldest        the oldest versions that requirements.txt admits
    nox -s colab         Google Colab's, and a front end that speaks its ipywidgets
    nox -s threads       two threads for each BLAS
    nox -s kernel -- Haswell    another kernel of OpenBLAS, by OpenBLAS's own name
    nox -s mutants       planted faults: which of them does no test notice?
    nox -s nbgrader      a real nbgrader releases, collects and grades a notebook

Each set of versions has its own environment, which is kept and made beforehand with
`nox --install-only`. What needs a Python that is not here is skipped, and says so.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).parent
NOTEBOOKS = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("notebooks/**/*.ipynb"))
NBVAL = (
    "-p", "tests.quickly", "--nbval", "--nbval-cell-timeout=120", "-p", "no:cacheprovider", "-q",
)  # fmt: skip
TWO_WORKERS = ("-n", "2", "--dist=loadfile")

nox.options.default_venv_backend = "uv|venv"  # uv where `make` has fetched it
nox.options.reuse_venv = "yes"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False
nox.options.sessions = ["oldest", "colab", "threads"]


def first_python(*versions: str) -> str:
    """The first of the versions that runs here, also where only pyenv has it; else the first."""
    for version in versions:
        folders = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
        for candidate in (f"python{version}", *map(str, folders)):
            # A stand-in of pyenv's is found and does not run.
            found = shutil.which(candidate)
            if found and subprocess.run([found, "-c", ""], capture_output=True).returncode == 0:
                return found
    return versions[0]


def install(session: nox.Session) -> None:
    """The pinned versions of a session and what its tests import."""
    pinned = ROOT / "tests" / "versions" / f"{session.name}.txt"
    tests = nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), "unit")
    pinned_names = set(re.findall(r"^([\w-]+)==", pinned.read_text("utf-8"), flags=re.M))
    tests = tuple(each for each in tests if re.split(r"[^\w-]", each)[0] not in pinned_names)
    session.install("-r", str(pinned), "nbval", *tests, silent=True)


def stored_outputs(session: nox.Session, kernel: str) -> None:
    """Every notebook gives its stored outputs, with this kernel of OpenBLAS."""
    session.run(
        "python", "-m", "pytest", *NBVAL, *TWO_WORKERS, *NOTEBOOKS,
        env={"OPENBLAS_CORETYPE": kernel},
    )  # fmt: skip


def unit_tests(session: nox.Session, *tests: str) -> None:
    session.run(
        "python", "-m", "pytest", "-q", "-n", "2", "--dist=worksteal", "-p", "no:cacheprovider",
        "-W", "ignore", *tests,
    )  # fmt: skip


# What depends on the versions most is drawing and widgets; the numbers are in the notebooks. Each
# set takes another kernel of OpenBLAS along, so that stored outputs are held under three.


@nox.session(python=first_python("3.10", "3.11"))
def oldest(session: nox.Session) -> None:
    """The oldest versions that requirements.txt admits."""
    install(session)
    stored_outputs(session, "Nehalem")
    # How it looks and what widgets do; which numbers are drawn depends on no version.
    unit_tests(session, "tests/figures/test_figures.py", "tests/test_explorers.py",
               "-k", "not drawn_arrays and not no_pyplot")  # fmt: skip


@nox.session(python=first_python("3.13"))
def colab(session: nox.Session) -> None:
    """Google Colab's versions."""
    install(session)
    stored_outputs(session, "Haswell")
    # With each Python it is told in other words what is installed.
    unit_tests(session, "tests/tools/test_bootstrap.py", "tests/test_environment.py",
               "tests/tools/test_environments.py")  # fmt: skip


@nox.session(python=first_python("3.12", "3.11", "3.10"))
def ipywidgets7(session: nox.Session) -> None:
    """A JupyterLab that speaks ipywidgets 7: tests/browser shows Colab's kernel in it."""
    session.install("-r", "tests/versions/ipywidgets7.txt", silent=True)


@nox.session(python=first_python("3.12", "3.11", "3.10"))
def nbgrader(session: nox.Session) -> None:
    """Whoever teaches with nbgrader: release, collect, autograde."""
    session.install(
        "-r", "requirements.txt", "nbgrader>=0.9", "pytest>=8.0", "hypothesis>=6.100", silent=True
    )
    session.run("python", "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/teach",
                "-k", "nbgrader")  # fmt: skip


@nox.session(python=first_python("3.12", "3.11", "3.10"))
def mutants(session: nox.Session) -> None:
    """Faults from our list, then mutmut's over helpers; both go on where they were stopped."""
    # Newer ones are as good; they read their settings from the file that we write.
    session.install(
        "-r", "requirements.txt", *nox.project.dependency_groups(
            nox.project.load_toml("pyproject.toml"), "test"
        ), "mutmut>=3.3", silent=True,
    )  # fmt: skip
    session.run("python", "-m", "tools.mutants", *session.posargs)
    if not session.posargs:
        session.run("python", "-m", "tools.mutants", "generated")


@nox.session(python=False)
def threads(session: nox.Session) -> None:
    """Two threads, with the Python that runs nox.

    Two workers' threads would wait for each other, so two notebooks do.
    """
    chosen = [name for name in NOTEBOOKS if re.match(r"notebooks/0[37]", name)]
    environment = {"OPENBLAS_NUM_THREADS": "2"}
    session.run(sys.executable, "-m", "pytest", *NBVAL, *chosen, env=environment, external=True)


@nox.session(python=False)
def kernel(session: nox.Session) -> None:
    """Another kernel of OpenBLAS, with the versions that are here."""
    (name,) = session.posargs
    session.run(
        sys.executable, "-m", "pytest", *NBVAL, *TWO_WORKERS, *NOTEBOOKS,
        env={"OPENBLAS_CORETYPE": name}, external=True,
    )  # fmt: skip
