"""The first cell: where it finds `helpers`, and how it fetches them on Colab.

A folder here stands for GitHub and a module in sys.modules for Colab; the cell is the one that
`make address` writes. Nothing leaves the machine.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tools import notebooks, project

ROOT = Path(__file__).parents[2]
ADDRESS = "somebody/rank-lab"
TAG = f"v{project.read_version()}"
FIRST = "01_setup.ipynb"
READY = f"LoRA Rank Lab {project.read_version()} is ready."
#: What makes the kernel, and any Python started with it on its path, look like Colab's.
ON_COLAB = "import sys, types\nsys.modules['google.colab'] = types.ModuleType('google.colab')\n"

MISSING = "Get the whole series, or put its folder `helpers` beside this notebook."
THREADS = "OPENBLAS_NUM_THREADS"
IGNORED = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
#: Environment variables without anything on Python's path.
PLAIN = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

pytestmark = [
    pytest.mark.project,
    pytest.mark.skipif(shutil.which("git") is None, reason="git is not found"),
]


def git(folder, *arguments):
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    command = ["git", *identity, "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def github(tmp_path_factory):
    """The folder that stands for github.com: the series at its tag, and a newer main."""
    host = tmp_path_factory.mktemp("github")
    series = host / f"{ADDRESS}.git"
    for name in ("tools", "notebooks", "helpers"):
        shutil.copytree(ROOT / name, series / name, ignore=IGNORED)
    for name in ("pyproject.toml", "README.md", "CITATION.cff"):
        shutil.copy(ROOT / name, series / name)
    for argument in (ADDRESS, "--check"):
        written = [sys.executable, "-m", "tools.address", argument]
        subprocess.run(written, cwd=series, check=True, capture_output=True)
    git(series, "init", "--quiet", "--initial-branch=main")
    for message, version in (("the release", None), ("newer", "99.0.0")):
        if version:
            (series / "helpers" / "__init__.py").write_text(f'__version__ = "{version}"\n')
        git(series, "add", ".")
        git(series, "commit", "--quiet", "-m", message)
        if not version:
            git(series, "tag", TAG)
    return host


@pytest.fixture
def notebook(github):
    """The first notebook, as the address was written into it."""
    text = git(github / f"{ADDRESS}.git", "show", f"{TAG}:notebooks/{FIRST}")
    return nbformat.reads(text, as_version=4)


@pytest.fixture
def cell(notebook):
    source = next(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert f'ADDRESS = "{ADDRESS}"' in source
    return source


@pytest.fixture
def short():
    """The cell as it is without an address."""
    assert not project.read_address(), "these tests are of the time before there is an address"
    return notebooks.bootstrap()


@pytest.fixture
def content(tmp_path):
    """The folder that a notebook on Colab runs in: empty, and nothing above it either."""
    folder = tmp_path / "content"
    folder.mkdir()
    return folder


@pytest.fixture
def environment(github, tmp_path):
    """Environment variables: github.com is a folder, and every Python looks like Colab's."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(ON_COLAB)
    return {
        **os.environ,
        "PYTHONPATH": str(tmp_path / "site"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.{github.as_uri()}/.insteadOf",
        "GIT_CONFIG_VALUE_0": "https://github.com/",
    }


def run(cell, folder, environment):
    return subprocess.run(
        [sys.executable, "-c", cell], cwd=folder, env=environment, capture_output=True, text=True
    )


def offline(environment, github):
    """Without the folder that stands for it, github.com is not to be reached."""
    nowhere = {"GIT_CONFIG_KEY_0": f"url.{(github / 'nowhere').as_uri()}/.insteadOf"}
    return {**environment, **nowhere}


def test_the_address_reaches_every_place(github):
    quoting = ["pyproject.toml", "README.md", "CITATION.cff"]
    quoting += [f"notebooks/{notebooks.in_folder(path)}" for path in notebooks.EVERY]
    for name in quoting:
        assert ADDRESS in git(github / f"{ADDRESS}.git", "show", f"{TAG}:{name}"), name


def test_it_fetches_the_tag_and_not_what_came_later(cell, content, environment, github):
    done = run(cell, content, environment)
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, READY, "")
    assert [each.name for each in content.iterdir()] == ["lora-rank-lab"]
    series = github / f"{ADDRESS}.git"
    fetched = git(content / "lora-rank-lab", "rev-parse", "HEAD")
    assert fetched == git(series, "rev-parse", f"{TAG}^{{commit}}")
    assert fetched != git(series, "rev-parse", "main")


def test_the_next_run_fetches_nothing(cell, content, environment, github):
    assert run(cell, content, environment).returncode == 0
    kept = content / "lora-rank-lab" / "kept"
    kept.touch()
    done = run(cell, content, offline(environment, github))
    assert (done.returncode, done.stdout.strip()) == (0, READY)
    assert kept.exists()


def test_offline_it_says_what_to_do_and_the_next_run_works(cell, content, environment, github):
    done = run(cell, content, offline(environment, github))
    assert done.returncode == 1
    assert f"https://github.com/{ADDRESS}.git at {TAG} could not be fetched: fatal:" in done.stderr
    assert "Run this cell again, or upload the folder `helpers`" in done.stderr
    assert list(content.iterdir()) == []
    assert run(cell, content, environment).stdout.strip() == READY


def test_a_revision_that_is_not_there(cell, content, environment):
    wrong = cell.replace(f'REVISION = "{TAG}"', 'REVISION = "v0.0.0"')
    done = run(wrong, content, environment)
    assert done.returncode == 1
    assert "at v0.0.0 could not be fetched" in done.stderr
    assert "v0.0.0 not found" in done.stderr
    assert list(content.iterdir()) == []


def test_what_an_interrupted_run_left_does_not_matter(cell, content, environment):
    (content / "lora-rank-lab.part" / ".git").mkdir(parents=True)
    assert run(cell, content, environment).stdout.strip() == READY
    assert [each.name for each in content.iterdir()] == ["lora-rank-lab"]


def test_without_git(cell, content, environment):
    done = run(cell, content, {**environment, "PATH": str(content)})
    assert done.returncode == 1
    assert "could not be fetched" in done.stderr
    assert "upload the folder `helpers`" in done.stderr


def test_without_an_address_it_is_short_and_asks_nobody(short, content, environment):
    assert len([line for line in short.splitlines() if line]) <= 10
    assert not re.search("https?:|colab|git", short, flags=re.I)
    done = run(short, content, environment)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"ImportError: {MISSING}"
    assert list(content.iterdir()) == []


def test_elsewhere_it_fetches_nothing(cell, content, environment):
    done = run(cell, content, {**environment, "PYTHONPATH": ""})
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"ImportError: {MISSING}"
    assert list(content.iterdir()) == []


def test_uploaded_helpers_are_enough(cell, content, environment, github):
    shutil.copytree(ROOT / "helpers", content / "helpers")
    done = run(cell, content, offline(environment, github))
    assert (done.returncode, done.stdout.strip()) == (0, READY)


def test_installed_helpers_are_enough(cell, content, environment, github, tmp_path):
    """As in the browser edition, where the notebooks' folder has nothing but notebooks."""
    shutil.copytree(ROOT / "helpers", tmp_path / "site" / "helpers")
    done = run(cell, content, offline(environment, github))
    assert (done.returncode, done.stdout.strip()) == (0, READY)
    assert list(content.iterdir()) == []


# What else may be called `helpers`


@pytest.fixture
def series(tmp_path):
    """The series in a folder, as a reader has it: `helpers`, and `notebooks` without any."""
    folder = tmp_path / "a series"
    shutil.copytree(ROOT / "helpers", folder / "helpers", ignore=IGNORED)
    (folder / "notebooks" / "appendix").mkdir(parents=True)
    return folder


#: Says which `helpers` a notebook has after its first cell.
WHICH = "\nimport helpers\nprint(helpers.__file__)\nfrom helpers.lora import scaling\n"


def other(folder, version="evil"):
    """Another package called `helpers` in a folder."""
    (folder / "helpers").mkdir(parents=True)
    (folder / "helpers" / "__init__.py").write_text(f'__version__ = "{version}"\n')
    (folder / "helpers" / "lora.py").write_text("scaling = None\n")
    return folder


def said(done, series):
    """What the cell said on stderr, once it is seen that it found the series' own code."""
    assert done.returncode == 0, done.stderr
    ready, place = done.stdout.splitlines()
    assert ready == READY
    assert Path(place) == series / "helpers" / "__init__.py"
    return done.stderr


@pytest.mark.parametrize("place", ["notebooks", "notebooks/appendix"])
def test_it_is_found_one_and_two_levels_up(short, series, place):
    assert said(run(short + WHICH, series / place, PLAIN), series) == ""


def test_it_is_not_looked_for_three_levels_up(short, series):
    deep = series / "notebooks" / "appendix" / "deeper"
    deep.mkdir()
    assert f"ImportError: {MISSING}" in run(short, deep, PLAIN).stderr


def test_a_folder_of_that_name_without_the_series_is_passed_over(short, series, tmp_path):
    other(series / "notebooks")
    assert said(run(short + WHICH, series / "notebooks", PLAIN), series) == ""
    lone = other(tmp_path / "tmp") / "mine"
    lone.mkdir()
    assert f"ImportError: {MISSING}" in run(short, lone, PLAIN).stderr


def test_a_file_of_that_name_beside_the_notebook(short, series):
    (series / "notebooks" / "helpers.py").write_text('__version__ = "evil"\n')
    assert said(run(short + WHICH, series / "notebooks", PLAIN), series) == ""


def test_another_package_on_the_path(short, series, tmp_path):
    path = {**PLAIN, "PYTHONPATH": str(other(tmp_path / "path"))}
    assert said(run(short + WHICH, series / "notebooks", path), series) == ""


def test_another_package_that_was_imported_before(short, series, tmp_path):
    """As by a file that Python or IPython runs at its start."""
    path = {**PLAIN, "PYTHONPATH": str(other(tmp_path / "path"))}
    before = "import helpers.lora\nassert helpers.__version__ == 'evil'\n"
    words = said(run(before + short + WHICH, series / "notebooks", path), series)
    assert words.startswith("Another `helpers` had been imported, from ")
    assert str(tmp_path / "path") in words


@pytest.mark.parametrize(
    "before",
    [
        "sys.modules['helpers'] = None",
        "sys.modules['helpers.lora'] = other = types.ModuleType('helpers.lora')\n"
        "other.scaling, other.__path__ = None, []",
        "sys.path.insert(0, '..')\nimport helpers\nsys.modules['helpers.lora'] = sys",
        "sys.path.insert(0, '..')\nimport helpers\nhelpers.__path__.insert(0, '/elsewhere')",
    ],
    ids=["none", "a part alone", "a part of ours", "where its parts are looked for"],
)
def test_a_part_of_another_package_that_was_there_before(short, series, before):
    done = run(f"import sys, types\n{before}\n{short}{WHICH}assert scaling.scale",
               series / "notebooks", PLAIN)  # fmt: skip
    assert said(done, series).startswith("Another `helpers")


def test_where_python_was_told_to_import_another_it_says_so(short, series):
    before = """
import sys
from importlib.machinery import ModuleSpec
class Finder:
    def find_spec(name, path=None, target=None):
        return ModuleSpec(name, Finder, origin="elsewhere") if name == "helpers" else None
    def create_module(spec): return None
    def exec_module(module): module.__file__ = "elsewhere"
sys.meta_path.insert(0, Finder)
"""
    done = run(before + short, series / "notebooks", PLAIN)
    assert done.returncode == 1
    assert "ImportError: `helpers` is elsewhere, and not " in done.stderr


def test_run_again_it_leaves_what_is_imported(short, series):
    again = f"{short}\nimport helpers\nfirst = helpers\n{short}\nimport helpers\n"
    done = run(again + "assert helpers is first", series / "notebooks", PLAIN)
    assert (done.returncode, done.stdout.splitlines()) == (0, [READY, READY])


@pytest.mark.parametrize("before, after", [(None, "1"), ("3", "3")])
def test_one_thread_unless_the_reader_says_otherwise(short, series, before, after):
    environment = {name: value for name, value in PLAIN.items() if name != THREADS}
    environment |= {THREADS: before} if before else {}
    done = run(f"{short}\nprint(os.environ['{THREADS}'])".replace("import sys", "import os, sys"),
               series / "notebooks", environment)  # fmt: skip
    assert done.stdout.splitlines() == [READY, after]


@pytest.mark.long
def test_the_whole_notebook_on_its_own(notebook, content, environment):
    """It gives the stored outputs in a folder where there was nothing but the notebook."""
    pytest.importorskip("nbval")
    nbformat.write(notebook, content / FIRST)
    strict = ["--nbval", "--nbval-cell-timeout=120", "-p", "no:cacheprovider", "-q", FIRST]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--rootdir=.", *strict],
        cwd=content, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert {each.name for each in content.iterdir()} == {FIRST, "lora-rank-lab"}
