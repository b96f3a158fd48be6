"""Threads and kernels: copy it to /opt/tljh/config/jupyterhub_config.d/rank-lab.py."""

c = get_config()  # noqa: F821

c.Spawner.environment = {
    f"{library}_NUM_THREADS": "1" for library in ("OPENBLAS", "OMP", "MKL", "VECLIB_MAXIMUM")
}
c.Spawner.args = [
    "--MappingKernelManager.cull_idle_timeout=600",
    "--MappingKernelManager.cull_interval=60",
    "--MappingKernelManager.cull_connected=True",
]
