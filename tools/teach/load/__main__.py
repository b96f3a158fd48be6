"""python -m tools.teach.load 30 [--over 60] [--cull 20] [--store]: a class on a real hub, here.

A class of N arrives within `--over` seconds, runs notebook 04, and then all move a slider at once.
Prints what it saw as a row of the table in teaching/hub/README.md; `--store` writes it there.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

from . import report
from .hub import Hub
from .lesson import culled, killed, lesson


async def run(count: int, over: float, cull: int, store: bool) -> int:
    """The lesson, then what a killed and an idle kernel do; 1 where something failed."""
    before = os.getloadavg()[0]
    with Hub(cull or 600) as hub:
        learners, busy = await lesson(hub, count, over)
        reports = [learner.report for learner in learners]
        shared = sum(mb for (_, kind), mb in hub.memory().items() if kind == "hub")
        found = report.summary(reports, over, shared, busy, before)
        print(report.HEAD, report.row(found), sep="\n")
        print(f"hub and proxy {found['hub']} MB; {busy:.3f} cores a learner while all moved")
        for each in reports:
            for failure in each.failures:
                print(f"{each.name}: {failure}")
        if cull:
            await killed(hub, learners[0])
            print("A killed kernel came back, and what was saved is there.")
            await culled(hub, learners[0])
            print("An idle kernel was ended, and the notebook runs again.")
    if store:
        report.store(found)
        text = report.README.read_text(encoding="utf-8")
        report.README.write_text(report.written(text), encoding="utf-8")
    return any(each.failures or not each.solved for each in reports)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.teach.load", description=__doc__)
    parser.add_argument("learners", type=int)
    parser.add_argument("--over", type=float, default=60, help="seconds within which all arrive")
    parser.add_argument("--cull", type=int, default=0, help="try killing and culling, after this")
    parser.add_argument("--store", action="store_true", help="keep the row in teaching/hub")
    given = parser.parse_args()
    return asyncio.run(run(given.learners, given.over, given.cull, given.store))


if __name__ == "__main__":
    sys.exit(main())
