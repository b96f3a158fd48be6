"""What was measured on SmolLM2, as tables: answers over the rank, spectra, learning rates."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import validation
from ..lora import scaling, spectrum
from ..tables import Table
from . import results
from .shipped import measured

#: Kinds of matrices that a table shows, by what they are called in it.
KINDS = {"q_proj": "query", "v_proj": "value", "o_proj": "output", "up_proj": "up",
         "down_proj": "down"}  # fmt: skip
RANKS = (1, 8, 64)


def answers(task: str, question: int = 0) -> Table:
    """What SmolLM2 answers before, and with its update cut to a rank (first seed).

    Parameters
    ----------
    task : "style" or "facts"
    question : int
        Which of the questions that are kept.

    Examples
    --------
    >>> answers("style").rows[1]
    ('1', 'Arr, the capital of France be Paris, matey!')
    """
    first = _first(task)
    asked, before = first["before"]["samples"][validation.integer("question", question, 0, 5)]
    rows = [("before", before)]
    rows += [(f"{row['rank']}", row["samples"][question][1]) for row in first["ranks"]]
    return Table(("update cut to rank", asked), rows)


def _first(task: str) -> dict[str, Any]:
    validation.choice("task", task, results.PRETRAINED_TASKS)
    (first,) = (
        run for run in measured("pretrained")["full"] if (run["task"], run["seed"]) == (task, 0)
    )
    return dict(first)


def facts_at_ranks() -> Table:
    """Facts right over the rank of the cut (means of the seeds), with the first seed's answers.

    Examples
    --------
    >>> facts_at_ranks().rows[1][:3]
    ('1', '0.04', '0.49')
    """
    curves, first = results.pretrained_truncated("facts"), _first("facts")
    asked = [question for question, _ in first["before"]["samples"][:2]]
    rows = [("before", "", "", *(answer for _, answer in first["before"]["samples"][:2]))]
    for i, row in enumerate(first["ranks"]):
        shares = (f"{curves.mean(name)[i]:.2f}" for name in ("facts", "fluent"))
        rows.append((f"{row['rank']}", *shares, *(said for _, said in row["samples"][:2])))
    return Table(("rank", "facts right", "begins as taught", *asked), rows)


def spectra_table() -> Table:
    """Stable rank, and rank for 90 % of the energy, of both updates: medians over the blocks.

    Examples
    --------
    >>> spectra_table().rows[0]
    ('query', '4.5', '34', '4.9', '40')
    """
    rows = []
    for kind, label in KINDS.items():
        row = [label]
        for task in results.PRETRAINED_TASKS:
            values = results.pretrained_spectra(task)[kind]
            stable = np.median([spectrum.stable_rank(each) for each in values])
            needed = np.median([spectrum.rank_for_energy(each, 0.9) for each in values])
            row += [f"{stable:.1f}", f"{needed:.0f}"]
        rows.append(row)
    columns = (f"{task}: {what}" for task in results.PRETRAINED_TASKS
               for what in ("stable rank", "rank for 90 % energy"))  # fmt: skip
    return Table(("median over 30 blocks", *columns), [tuple(row) for row in rows])


def rates_table() -> Table:
    """LoRA over the learning rate, both rules and three ranks: mean, and each seed.

    Examples
    --------
    >>> rates_table().rows[2][:2], rates_table().rows[2][3]
    (('facts, alpha/r', '0.002'), '0.97 (0.97, 1.00, 0.94)')
    """
    rows = []
    for task in reversed(results.PRETRAINED_TASKS):
        for rule in scaling.RULES:
            for rate in results.pretrained_rates(task):
                curves = results.pretrained_trained(task, rule == scaling.RSLORA, rate)
                seen = dict(zip(curves.at, curves.values[task].T))
                cells = []
                for rank in RANKS:
                    values = [share for share in seen.get(rank, ()) if np.isfinite(share)]
                    each = ", ".join(f"{share:.2f}" for share in values)
                    cells.append(f"{np.mean(values):.2f} ({each})" if values else "not run")
                rows.append((f"{task}, {rule}", f"{rate:g}", *cells))
    return Table(("mean (each seed)", "learning rate", *(f"r = {r}" for r in RANKS)), rows)
