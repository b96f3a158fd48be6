"""A class that comes at once: copy it to /opt/tljh/config/jupyterhub_config.d/rank-lab.py."""

c = get_config()  # noqa: F821

c.Spawner.environment = {
    f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL", "VECLIB_MAXIMUM")
}
c.Spawner.args = [
    "--MappingKernelManager.cull_idle_timeout=600",
    "--MappingKernelManager.cull_interval=60",
    "--MappingKernelManager.cull_connected=True",
]
# A class that arrives at once: JupyterHub's own half a minute would give the last servers up.
c.Spawner.start_timeout = 300
c.Spawner.http_timeout = 300
# Without a grammar of international addresses that jsonschema prepares on import, and no server
# asks for: two seconds of a core and 16 MB each.
c.Spawner.cmd = [
    "/opt/tljh/user/bin/python",
    "-c",
    "import sys; sys.modules['rfc3987_syntax'] = None; "
    "from jupyterhub.singleuser import main; main()",
]
