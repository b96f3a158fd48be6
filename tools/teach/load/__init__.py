"""A real JupyterHub on 127.0.0.1 under load: learners who arrive, open, run, move and solve.

Each speaks what a browser speaks: the login form, the page on which one waits for a server, the
interface's files, the server's interface, and the kernel's WebSocket, over which cells run and
sliders move. What a browser itself needs is on learners' laptops and is not counted. Run it with
the dependency group `hub`, as `make bench-hub` and `make test-hub` do.
"""
