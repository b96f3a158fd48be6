"""Binder: the image that repo2docker would build, the page it opens, and the threads there."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest

from tools import address, notebooks, project

ROOT = Path(__file__).parents[2]
REPO2DOCKER = (
    ROOT / ".venv-binder" / "bin" / "jupyter-repo2docker"
)  #: Prints the threads of each BLAS.
COUNT = """
import numpy
from threadpoolctl import threadpool_info
print([pool["num_threads"] for pool in threadpool_info()])
"""


@pytest.fixture(scope="module")
def dockerfile():
    """What repo2docker says and would build. It needs no Docker and no network for this."""
    if not REPO2DOCKER.exists():
        pytest.skip("repo2docker is not here: `make test-binder` installs it")
    command = [str(REPO2DOCKER), "--no-build", "--debug", str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_python_is_the_one_in_environment_yml(dockerfile):
    (wanted,) = re.findall(r"- python=([\d.]+)", (ROOT / "environment.yml").read_text("utf-8"))
    assert f"Building conda environment for python={wanted}" in dockerfile


def test_the_packages_come_from_our_list(dockerfile):
    """environment.yml is read where requirements.txt, which it names, has just been copied."""
    copied = dockerfile.index("COPY --chown=0:0 src/ ${REPO_DIR}/")
    installed = dockerfile.index('env update -p ${NB_PYTHON_PREFIX} --file "environment.yml"')
    assert dockerfile.index("WORKDIR ${REPO_DIR}") < copied < installed


def test_nothing_of_ours_stands_before_the_server(dockerfile):
    assert 'R2D_ENTRYPOINT="' not in dockerfile


def test_no_folder_hides_the_files_at_the_root():
    assert not (ROOT / "binder").exists()
    assert not (ROOT / ".binder").exists()


def test_the_first_page_is_the_first_notebook(monkeypatch):
    monkeypatch.setattr(address, "read_address", lambda: "somebody/rank-lab")
    (link,) = re.findall(r"\((https://mybinder\.org/v2/[^)]*)\)", address.badges())
    place = urlparse(link)
    assert place.path == f"/v2/gh/somebody/rank-lab/v{project.read_version()}"
    (opened,) = parse_qs(place.query)["urlpath"]
    path = ROOT / opened.removeprefix("lab/tree/")
    assert path == min((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.skipif(sys.platform != "linux", reason="Binder runs on Linux")
@pytest.mark.skipif((os.cpu_count() or 1) == 1, reason="one core gives one thread anyway")
@pytest.mark.parametrize("opened_first, most", [(True, 1), (False, os.cpu_count())])
def test_the_first_cell_leaves_one_thread_to_blas(opened_first, most):
    """Binder's nodes are shared, and BLAS would start a thread for each core of the node."""
    pytest.importorskip("threadpoolctl")
    environment = {name: value for name, value in os.environ.items() if "_NUM_THREADS" not in name}
    done = subprocess.run(
        [sys.executable, "-c", (notebooks.bootstrap() if opened_first else "") + COUNT],
        cwd=ROOT / "notebooks", env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    counts = ast.literal_eval(done.stdout.splitlines()[-1])
    assert counts
    assert max(counts) == most
