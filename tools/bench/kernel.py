"""What one SVD for all costs against one SVD a point, and how long a slider takes.

    python -m tools.bench.kernel [--json FILE]

Times depend on the machine and on what else it does; ratios within a run less so.
"""

from __future__ import annotations

import inspect
import os
import sys
import time
from collections.abc import Callable
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from IPython.core.pylabtools import print_figure

from helpers import explorers
from helpers.lora import scaling, truncation, updates

from . import interact
from .png import Png
from .report import arguments, save, summary, table

ALPHAS = np.geomspace(1, 256, 60)
SIZES = (64, 128, 256, 512, 1024, 2048)
EXPLORERS = [
    factory
    for factory in vars(explorers).values()
    if inspect.isfunction(factory) and factory.__annotations__.get("return") == "Explorer"
]


def seconds(work: Callable[[], Any]) -> float:
    """How long one call takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def planes(matrix: Any) -> None:
    """Every rank, every alpha, both scalings, from one set of singular values."""
    values = np.linalg.svd(matrix, compute_uv=False)
    ranks = np.arange(1, len(values) + 1)
    for rule in scaling.RULES:
        truncation.error_plane(values, ranks, ALPHAS, rule)


def points(matrix: Any, count: int, generator: np.random.RandomState) -> list[float]:
    """Seconds for each of some random points, one SVD each."""
    return [
        seconds(
            lambda: truncation.error_by_reconstruction(
                matrix,
                int(generator.randint(1, min(matrix.shape) + 1)),
                float(generator.choice(ALPHAS)),
                scaling.RULES[generator.randint(2)],
            )
        )
        for _ in range(count)
    ]


def sweep() -> dict[str, float]:
    """The article's plane: 2 updates, 2 scalings, ranks 1 to 64, 60 alphas."""
    matrices = [update.matrix() for update in updates.article_updates().values()]
    generator = np.random.RandomState(0)
    count = len(matrices) * len(scaling.RULES) * 64 * len(ALPHAS)
    ours = float(np.median([seconds(lambda: [planes(m) for m in matrices]) for _ in range(21)]))
    sample = [time for matrix in matrices for time in points(matrix, 60, generator)]
    theirs = count * float(np.median(sample))
    return {
        "points": count, "one SVD in all, s": ours, "one SVD a point, s": theirs,
        "measured points": len(sample), "ratio": theirs / ours,
    }  # fmt: skip


def growth() -> list[dict[str, float]]:
    """The same plane, ranks 1 to n, for one n x n matrix."""
    generator = np.random.RandomState(0)
    rows = []
    for size in SIZES:
        matrix = generator.standard_normal((size, size))
        repeats = max(1, min(15, 512 // size * 3))
        ours = float(np.median([seconds(lambda m=matrix: planes(m)) for _ in range(repeats)]))
        sample = points(matrix, repeats, generator)
        count = size * len(ALPHAS) * len(scaling.RULES)
        theirs = count * float(np.median(sample))
        rows.append(
            {
                "n": size, "points": count, "one SVD in all, s": ours,
                "one SVD a point, s": theirs, "measured points": len(sample),
                "ratio": theirs / ours,
            }
        )  # fmt: skip
    return rows


def exponents(rows: list[dict[str, float]]) -> dict[str, float]:
    """p in time ~ n^p, fitted from n = 256, where overheads no longer matter."""
    large = [row for row in rows if row["n"] >= 256]
    sizes = np.log([row["n"] for row in large])
    return {
        way: float(np.polyfit(sizes, np.log([row[way] for row in large]), 1)[0])
        for way in ("one SVD in all, s", "one SVD a point, s")
    }


def forget() -> None:
    """Drop what helpers keeps of its factorisations, as if a noise level came first now."""
    for module in [module for name, module in sys.modules.items() if name.startswith("helpers.")]:
        for kept in vars(module).values():
            if hasattr(kept, "cache_clear") and kept is not updates.article_updates:
                kept.cache_clear()


def interact_redraw(settings: dict[str, Any]) -> None:
    """What `interact` does for one step, to the PNG of the inline backend."""
    known = {name: settings[name] for name in ("rank", "alpha", "noise") if name in settings}
    figure = interact.redraw(**known)
    print_figure(figure, bbox_inches="tight", base64=True)
    plt.close(figure)


def sliders() -> list[dict[str, Any]]:
    """From a control's new value to the encoded picture, for every control there is.

    The same with the picture as a PNG, and the usual way, are measured in between, so that all
    meet the same machine. Kilobytes are those of the picture.
    """
    rows = []
    for factory in EXPLORERS:
        explorer, before = factory(), Png(factory())
        for name, control in explorer.controls.items():
            ours, pngs, theirs = [], [], []
            sizes: list[tuple[int, int]] = []
            for i, value in enumerate(values(control, 40)):
                for kept, way in ((ours, explorer), (pngs, before)):
                    if name == "noise":
                        forget()
                    one = way.controls[name]
                    kept.append(seconds(lambda c=one, v=value: setattr(c, "value", v)))
                sizes.append((len(explorer.moving), before.size))
                if i % 8 == 0:
                    theirs.append(seconds(lambda e=explorer: interact_redraw(e.settings)))
            if explorer.error:
                raise RuntimeError(explorer.error)
            explorer.reset()
            for each, chosen in explorer.start.items():
                before.controls[each].value = chosen
            times, usual = summary(ours), float(np.median(theirs)) * 1000
            png, (kilobytes, png_kilobytes) = summary(pngs), np.median(sizes, axis=0) / 1000
            rows.append(
                {
                    "explorer": factory.__name__, "control": name, **times,
                    "png_ms": png["median_ms"], "png_ratio": png["median_ms"] / times["median_ms"],
                    "kB": float(kilobytes), "png_kB": float(png_kilobytes),
                    "interact_ms": usual, "ratio": usual / times["median_ms"],
                }
            )  # fmt: skip
    return rows


def values(control: Any, count: int) -> list[Any]:
    """Values to go through, none twice in a row, and not the one that is shown first."""
    if hasattr(control, "options"):
        every = [each[1] if isinstance(each, tuple) else each for each in control.options]
    else:
        every = list(range(control.min, control.max + 1))
    first = every.index(control.value) + 1
    return [every[(first + i) % len(every)] for i in range(count)]


def main() -> None:
    options = arguments(__doc__)
    plt.switch_backend("agg")
    threads = os.environ.get("OPENBLAS_NUM_THREADS", "not set")
    print(f"{os.cpu_count()} cores, OPENBLAS_NUM_THREADS {threads}, numpy {np.__version__}")
    results: dict[str, Any] = {"sweep": sweep()}
    table("The whole plane, 64 x 64. One SVD a point is scaled up from a sample:",
          [results["sweep"]])  # fmt: skip
    results["growth"] = growth()
    table("The same for n x n, ranks 1 to n, one matrix, scaled up likewise:", results["growth"])
    results["exponents"] = exponents(results["growth"])
    for way, power in results["exponents"].items():
        print(f"{way.removesuffix(', s')} grows as n^{power:.2f}")
    results["sliders"] = sliders()
    table("A slider in the kernel, from its new value to the encoded picture:",
          results["sliders"])  # fmt: skip
    save(options.json, results)


if __name__ == "__main__":
    main()
