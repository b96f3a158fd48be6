"""A JupyterHub on one machine, without containers: what test, bench and a small room run.

It listens on 127.0.0.1 only, and its password is for a test: anybody who has it may log in. For a
room, take The Littlest JupyterHub (tljh.yaml), which has real users, limits and https.
Environment: HUB_FOLDER, HUB_PORT, HUB_PASSWORD; CULL_AFTER, seconds without work.
"""

import os
import sys
from pathlib import Path

c = get_config()  # noqa: F821
folder = Path(os.environ["HUB_FOLDER"])
port = int(os.environ["HUB_PORT"])
cull_after = int(os.environ.get("CULL_AFTER", "600"))

c.JupyterHub.ip = "127.0.0.1"
c.JupyterHub.port = port
c.JupyterHub.hub_port = port + 2
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{port + 1}"
c.ConfigurableHTTPProxy.command = [str(Path(sys.executable).with_name("configurable-http-proxy"))]
c.ConfigurableHTTPProxy.pid_file = str(folder / "proxy.pid")
c.JupyterHub.db_url = f"sqlite:///{folder / 'hub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(folder / "cookie_secret")

c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = os.environ["HUB_PASSWORD"]
c.Authenticator.allow_all = True

c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = str(folder / "homes" / "{username}")
# jsonschema prepares a grammar of international addresses whenever it is imported, if it finds one:
# two seconds and 16 MB of every server, which never asks for it. Without it, it does without.
c.Spawner.cmd = [
    sys.executable,
    "-c",
    "import sys; sys.modules['rfc3987_syntax'] = None; "
    "from jupyterhub.singleuser import main; main()",
]
c.Spawner.args = [
    "--allow-root",
    # An idle kernel is most of a learner's memory, and what it held is made again by running the
    # notebook, which is on disk.
    f"--MappingKernelManager.cull_idle_timeout={cull_after}",
    f"--MappingKernelManager.cull_interval={max(2, cull_after // 10)}",
    # An open page is no work: without this a kernel lives as long as the tab does.
    "--MappingKernelManager.cull_connected=True",
]
# A class that arrives at once: on two cores the last of thirty servers answers after a minute or
# more, and the hub's own half a minute would give it up.
c.Spawner.start_timeout = 300
c.Spawner.http_timeout = 300
# The matrices are small: a second thread makes nothing faster, and thirty learners much slower.
c.Spawner.environment = {
    f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL", "VECLIB_MAXIMUM")
}
# Servers that may start at the same time. More do not wait in line: the hub turns them away with a
# page that says to try again in half a minute. So it is the largest class.
c.JupyterHub.concurrent_spawn_limit = int(os.environ.get("SPAWN_AT_ONCE", "100"))
