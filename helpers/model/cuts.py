"""What the small model does with its updates cut and turned down, as tables."""

from __future__ import annotations

from ..tables import Table
from .results import before, needed_rank, truncated
from .tasks import TASKS


def truncated_table(task: str) -> Table:
    """Facts and style of a task over the rank of the cut; rank 0 is the base.

    Examples
    --------
    >>> truncated_table("100").rows[4]
    ('8', '0.25', '1.00')
    """
    curves, names = truncated(task), ("facts", "style")
    rows = [("0", *(f"{before(task)[name].mean():.2f}" for name in names))]
    for i, rank in enumerate(curves.at):
        rows.append((f"{rank:g}", *(f"{curves.mean(name)[i]:.2f}" for name in names)))
    return Table(("rank", f"{TASKS[task].label}: facts", "style"), rows)


def needed_table() -> Table:
    """`needed_rank` for every task.

    Examples
    --------
    >>> needed_table().rows[-1]
    ('400 people', 'facts', '30, 31, 30')
    """
    rows = [
        (task.label, task.measure, ", ".join(f"{rank:g}" for rank in needed_rank(name)))
        for name, task in TASKS.items()
    ]
    return Table(("truncated update", "90 % of the", "needs at least rank (each world)"), rows)


def energy_table(ranks: tuple[int, ...] = (4, 8, 16, 32)) -> Table:
    """Captured energy beside the share that is right, task by task.

    Examples
    --------
    >>> energy_table((8,)).rows[1]
    ('25 people', '0.45 / 0.95')
    """
    rows = []
    for name, task in TASKS.items():
        curves = truncated(name)
        both = zip(curves.at, curves.mean("energy"), curves.mean(task.measure))
        cells = {rank: f"{energy:.2f} / {right:.2f}" for rank, energy, right in both}
        rows.append((task.label, *(cells[rank] for rank in ranks)))
    return Table(("captured energy / share right", *(f"r = {rank}" for rank in ranks)), rows)


def dial_table(task: str) -> Table:
    """A dial on the whole update of a task: facts, style, and facts known before.

    Examples
    --------
    >>> dial_table("100").rows[2]
    ('0.75', '1.00', '1.00', '0.88')
    """
    curves = truncated(task, "scales")
    rows = [
        (f"{dial:g}", *(f"{curves.mean(name)[i]:.2f}" for name in ("facts", "style", "known")))
        for i, dial in enumerate(curves.at)
    ]
    return Table(("dial", f"{TASKS[task].label}: facts", "style", "facts known before"), rows)
