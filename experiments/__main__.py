"""python -m experiments: see README.md."""

from __future__ import annotations

import argparse
import contextlib
from functools import partial
from itertools import product

import joblib

from . import config, parallel, plans, runs, ship, small


def part_one() -> None:
    """Pre-train, fine-tune all weights, truncate."""
    runs.run_all(small.pretrain, [{"seed": seed} for seed in config.SEEDS])
    tasks = [
        {"seed": seed, "task": task} for seed, task in product(config.SEEDS, reversed(config.FULL))
    ]
    runs.run_all(small.full, tasks)
    runs.run_all(small.needed_rank, tasks)
    ship.small_model()


def part_two() -> None:
    """Train LoRA over rank, scaling, learning rate and optimiser."""
    runs.run_all(small.lora, config.lora_grid())
    ship.lora()


def part_three() -> None:
    """The pre-trained model: in full, truncated, then LoRA."""
    from . import pretrained

    tasks = product(config.SEEDS, config.PRETRAINED_FULL)
    runs.run_all(pretrained.pretrained_full, [{"task": t, "seed": seed} for seed, t in tasks])
    runs.run_all(pretrained.pretrained_lora, config.pretrained_grid())
    ship.pretrained()


def forgetting() -> None:
    """What the pre-trained model forgets while it learns facts, over rates and ranks."""
    from . import pretrained_forgetting

    runs.run_all(pretrained_forgetting.pretrained_forgets, config.forgetting_grid())
    ship.pretrained_forgetting()


def part_four() -> None:
    """The adapters that are kept."""
    from . import adapters

    grid = product(config.SEEDS, config.ADAPTERS)
    runs.run_all(adapters.adapter, [{"name": name, "seed": seed} for seed, name in grid])
    ship.adapters()


def adapted(part: str) -> None:
    """A part of the map and of what is asked of it, see `plans`."""
    for function, settings in plans.PARTS[part]():
        runs.run_all(function, settings)
    ship.small_map()


PARTS = {
    "small": part_one,
    "lora": part_two,
    "pretrained": part_three,
    "forgetting": forgetting,
    "adapters": part_four,
    **{part: partial(adapted, part) for part in plans.PARTS},
}


def main() -> None:
    """Run the parts that are named."""
    parser = argparse.ArgumentParser(prog="python -m experiments")
    parser.add_argument("parts", nargs="+", choices=PARTS)
    parser.add_argument("--dask", metavar="ADDRESS", help="spread runs over this Dask cluster")
    parser.add_argument("--jobs", type=int, default=-1, help="runs at a time; -1: one a core")
    parser.add_argument("--anew", action="store_true", help="also what the record holds")
    arguments = parser.parse_args()
    config.ANEW = arguments.anew
    with contextlib.ExitStack() as stack:
        stack.enter_context(joblib.parallel_config(n_jobs=arguments.jobs))
        if arguments.dask:
            from dask.distributed import Client

            parallel.register()
            stack.enter_context(Client(arguments.dask))
            stack.enter_context(joblib.parallel_config(backend=parallel.DASK))
        for part in arguments.parts:
            PARTS[part]()


if __name__ == "__main__":
    main()
