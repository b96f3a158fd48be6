"""Binder: the image that repo2docker would build, its start-up, and the page it opens."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import pytest

from tools import address

ROOT = Path(__file__).parents[2]
REPO2DOCKER = ROOT / ".venv-binder" / "bin" / "jupyter-repo2docker"
START = ROOT / "start"
#: Starts a kernel, as a Jupyter server does, and prints what it answers.
KERNEL = """
from jupyter_client.manager import start_new_kernel
manager, client = start_new_kernel(kernel_name="python3")
code = '''
import numpy
from threadpoolctl import threadpool_info
print([pool["num_threads"] for pool in threadpool_info()])
'''
client.execute_interactive(code, timeout=60)
client.stop_channels()
manager.shutdown_kernel(now=True)
"""

linux = pytest.mark.skipif(sys.platform != "linux", reason="Binder runs on Linux")


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


def test_the_server_starts_through_our_start(dockerfile):
    assert 'ENV R2D_ENTRYPOINT="${REPO_DIR}/start"' in dockerfile


def test_no_folder_hides_the_files_at_the_root():
    assert not (ROOT / "binder").exists()
    assert not (ROOT / ".binder").exists()


def test_the_first_page_is_the_first_notebook(monkeypatch):
    monkeypatch.setattr(address, "read_address", lambda: "somebody/rank-lab")
    (link,) = re.findall(r"\((https://mybinder\.org/v2/[^)]*)\)", address.badges())
    place = urlparse(link)
    assert place.path == f"/v2/gh/somebody/rank-lab/v{address.read_version()}"
    (opened,) = parse_qs(place.query)["urlpath"]
    path = ROOT / opened.removeprefix("lab/tree/")
    assert path == min((ROOT / "notebooks").glob("*.ipynb"))


def threads(*through):
    """Threads of each BLAS in a kernel that was started through these commands."""
    environment = {name: value for name, value in os.environ.items() if "_NUM_THREADS" not in name}
    done = subprocess.run(
        [*through, sys.executable, "-c", KERNEL],
        env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return ast.literal_eval(done.stdout.strip())


@linux
def test_start_leaves_one_thread_to_each_blas():
    pytest.importorskip("threadpoolctl")
    capped = threads(str(START))
    assert capped
    assert set(capped) == {1}


@linux
@pytest.mark.skipif((os.cpu_count() or 1) == 1, reason="one core gives one thread anyway")
def test_without_start_there_would_be_more():
    pytest.importorskip("threadpoolctl")
    assert max(threads()) > 1
