"""A hub in a temporary folder, as teaching/hub/jupyterhub_config.py sets it."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[3]
CONFIG = ROOT / "teaching" / "hub" / "jupyterhub_config.py"


class Hub:
    """The hub while it runs; its folder goes with it."""

    def __init__(self, cull_after: int = 600) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="rank-lab-hub-"))
        self.password = secrets.token_hex(16)
        self.port = _free()
        self.address = f"http://127.0.0.1:{self.port}"
        self.cull_after = cull_after
        self.log = self.folder / "log"

    def home(self, name: str) -> Path:
        """A learner's folder, with the series in it."""
        home = self.folder / "homes" / name
        shutil.copytree(ROOT / "notebooks", home / "notebooks")
        (home / "helpers").symlink_to(ROOT / "helpers")
        return home

    def __enter__(self) -> Hub:
        wanted = {"HUB_FOLDER": str(self.folder), "HUB_PORT": str(self.port),
                  "HUB_PASSWORD": self.password, "CULL_AFTER": str(self.cull_after)}  # fmt: skip
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "-f", str(CONFIG)],
                env={**os.environ, **wanted}, stdout=log, stderr=subprocess.STDOUT,
                cwd=self.folder, start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + 120
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.address}/hub/health", timeout=10):
                    return self
            except OSError:
                time.sleep(0.3)
        said = self.log.read_text()
        self.__exit__()
        raise RuntimeError(f"the hub does not answer:\n{said}")

    def __exit__(self, *_: Any) -> None:
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for each in psutil.wait_procs(family, timeout=5)[1]:
            each.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def family(self) -> Iterator[tuple[str, str, psutil.Process]]:
        """Whose each process is, what it is (hub, server or kernel), and the process."""
        hub = psutil.Process(self.process.pid)
        for process in (hub, *hub.children(recursive=True)):
            try:
                owner = process.environ().get("JUPYTERHUB_USER", "")
                kernel = "ipykernel" in " ".join(process.cmdline())
            except psutil.Error:  # it has ended meanwhile
                continue
            yield owner, "kernel" if kernel else "server" if owner else "hub", process

    def memory(self) -> dict[tuple[str, str], float]:
        """MB by owner and kind; pages are divided among the processes that share them."""
        found: dict[tuple[str, str], float] = {}
        for owner, kind, process in self.family():
            try:
                pss = process.memory_full_info().pss / 1e6
            except psutil.Error:
                continue
            found[owner, kind] = found.get((owner, kind), 0.0) + pss
        return found

    def seconds(self) -> float:
        """Processor time that all of it has taken."""
        found = 0.0
        for _, _, process in self.family():
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            found += times.user + times.system
        return found


def _free() -> int:
    """A port with two free ones after it."""
    while True:
        with socket.socket() as tried:
            tried.bind(("127.0.0.1", 0))
            port = int(tried.getsockname()[1])
        if port < 60000:
            return port
