"""Published claims as predictions for the small model, with a verdict that is computed.

Each says what is compared and what comes out if the claim holds here, in worlds that no setting was
chosen on, at matched new facts. A claim that fails here may hold where it
was made: for another model, another task, another measure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..validation import Array
from . import adaptations
from .forgetting import MATCHED, REPORT, Points, along, kept, verdict
from .rates import RANKS, best_rates
from .tuned import best

#: Rates are half a decade apart, so "the same" is within one step.
STEP = 0.55
#: The worlds in which pairs of settings were trained.
PAIRED = REPORT[:2]
VERDICTS = {"more": "holds", "less": "fails", "open": "open"}


@dataclass(frozen=True)
class Prediction:
    """A claim and how it is tested.

    Attributes
    ----------
    claim, source : str
    test : str
        What is compared, in words.
    margin : function
        Gives (K,), a value a world: above 0 where the world agrees with the claim. NaN where
        a run is missing.
    worlds : tuple of int
    """

    claim: str
    source: str
    test: str
    margin: Callable[[], Array]
    worlds: tuple[int, ...] = REPORT

    def verdict(self) -> str:
        """ "holds" or "fails" where every world says so, "open" otherwise."""
        return VERDICTS[verdict(self.margin(), np.zeros(len(self.worlds)))]


def turned_down(rank: int | None, level: float = MATCHED, cut: int | None = None) -> Array:
    """(K,): known facts where the new ones reach `level`, along the dial on an update.

    Parameters
    ----------
    rank : int or None
        Of the LoRA, at the scale and rate that were chosen; None for all weights.
    cut : int or None
        The rank that the update is cut to before it is dialled; None leaves it whole.

    Examples
    --------
    >>> turned_down(64).round(2).tolist()
    [0.96, 0.97, 0.97]
    """
    chosen = best(rank)
    dials = adaptations.examined(rank, "both").where(
        lambda scale, rate, cut_, dial: (scale, rate) == chosen and cut_ == cut
    )
    order = np.argsort([setting[-1] for setting in dials.settings])
    pairs = zip(dials.facts, dials.known)
    return np.array([_along(facts[order], known[order], level) for facts, known in pairs])


def _along(facts: Array, known: Array, level: float) -> float:
    there = np.isfinite(facts)
    return along(facts[there], known[there], level) if there.any() else float("nan")


def _one(of: Points, *setting: object) -> Array:
    """(K,): known facts at one setting where the new ones reach the level, else NaN."""
    return kept(of.where(lambda *each: each == setting), MATCHED)[:, 0]


def _rates(rule: str) -> Array:
    """(ranks, worlds): the decade of the best rate, by known facts at matched new ones."""
    found = best_rates(adaptations.plain_lora(), rule, RANKS, REPORT)
    return np.log10([found[rank] for rank in RANKS])


def _spread(rule: str) -> Array:
    """(worlds,): how many decades the best rates of all ranks are apart."""
    return np.asarray(np.ptp(_rates(rule), axis=0))


def _full_rate() -> Array:
    """(worlds,): the decade of full fine-tuning's best rate under AdamW."""
    points = adaptations.full().where(lambda optimiser, rate: optimiser == "adamw")
    ready = np.where(points.facts >= MATCHED, points.known, -1.0)
    rates = np.array([rate for _, rate in points.settings])
    return np.asarray(np.log10(rates[ready.argmax(axis=1)]))


def _intruders_against_the_dial(rank: int, dial: float = 0.5) -> Array:
    """(K,): known facts with intruders turned down, less those of the plain dial at the same new
    facts."""
    points, _ = adaptations.intruders(rank)
    at = points.where(lambda scale, rate, turned: turned == dial)
    if not at.settings:
        return np.full(len(REPORT), np.nan)
    plain = [turned_down(rank, float(level))[i] for i, level in enumerate(at.facts[:, 0])]
    return np.asarray(at.known[:, 0] - np.array(plain))


def _rounded(rank: int) -> Array:
    """(K,): the larger loss, of new facts and known ones, by rounding the merged weights."""
    points = adaptations.four_bits(rank, trained_on=False)
    ways = ("as trained", "merged, then rounded")
    whole, less = (points.where(lambda s, rate, way, w=w: way == w) for w in ways)
    if not whole.settings:
        return np.full(len(REPORT), np.nan)
    return np.maximum(whole.facts - less.facts, whole.known - less.known)[:, 0]


def _mixed(rank: int | None, share: float) -> Array:
    points = adaptations.mixed(rank)
    shares = (points.where(lambda s, rate, old, x=x: old == x) for x in (share, 0.0))
    with_old, without = (kept(each, MATCHED)[:, 0] for each in shares)
    return np.asarray(with_old - without)


def _merged(other: str) -> Array:
    """(K,): what is recalled of both tasks by TIES, less that by the plain sum, best dials."""
    rows = adaptations.merged(other)

    def best(way: str) -> Array:
        each = [(row["facts"] + row["other"]) / 2 for key, row in rows.items() if key[0] == way]
        return np.max(each, axis=0) if each else np.full(len(REPORT), np.nan)

    return np.asarray(best("ties") - best("sum"))


def _placed() -> Array:
    """(K,): known facts at 90 % new ones, all matrices less q and v, at equal parameters.

    Only scales and rates that both were given count: all matrices were tuned far more.
    """
    few = adaptations.placed("query, value", 18).whole()
    every = adaptations.placed("all", 4).where(lambda *each: each in few.settings).whole()
    if not (few.settings and every.settings):
        return np.full(len(REPORT), np.nan)
    ours, theirs = (np.nan_to_num(kept(each, 0.9)[:, 0], nan=0.0) for each in (every, few))
    return np.asarray(ours - theirs)


def _identity(pair: str) -> Array:
    """(K,): 1 where a pair was found to be equal, -1 where not, in the worlds of `PAIRED`."""
    found = {row["seed"]: 1.0 if row["found"] else -1.0
             for row in adaptations.identities() if row["pair"] == pair}  # fmt: skip
    return np.array([found.get(world, np.nan) for world in PAIRED])


PREDICTIONS = (
    Prediction(
        "LoRA forgets less than full fine-tuning",
        "Biderman et al. 2024, arXiv 2405.09673",
        "tuned, turned down to 97.5 % of the new facts, known facts: rank 64 against all weights",
        lambda: turned_down(64) - turned_down(None),
    ),
    Prediction(
        "a higher rank forgets more",
        "Biderman et al. 2024, arXiv 2405.09673: it learns more and forgets more",
        "the same: rank 16 against rank 64",
        lambda: turned_down(16) - turned_down(64),
    ),
    Prediction(
        "alpha cannot be replaced by the learning rate",
        "Zhang et al. 2026, arXiv 2606.12883, by what is learned",
        "known facts at rank 64, all new ones right: s = 2 at 0.0003 against s = 0.25 at 0.001",
        lambda: _one(adaptations.lora(64), 2.0, 3e-4) - _one(adaptations.lora(64), 0.25, 1e-3),
    ),
    Prediction(
        "with alpha/r the best rate does not depend on the rank",
        "LoRA Without Regret, Thinking Machines 2025",
        "best rates of ranks 1 to 64 within one step of the grid, half a decade",
        lambda: STEP - _spread("alpha/r, alpha = 16"),
    ),
    Prediction(
        "with alpha/sqrt(r) one rate is right for every rank",
        "how rsLoRA, arXiv 2312.03732, compares ranks: at one rate",
        "best rates of ranks 1 to 64 within one step of the grid, half a decade",
        lambda: STEP - _spread("alpha/sqrt(r), alpha = 16"),
    ),
    Prediction(
        "LoRA wants about ten times the rate of full fine-tuning",
        "LoRA Without Regret, Thinking Machines 2025",
        "best rate of rank 64 (alpha/r, alpha 16) over that of all weights: ten, within one step",
        lambda: STEP - np.abs(_rates("alpha/r, alpha = 16")[-1] - _full_rate() - 1),
    ),
    Prediction(
        "LoRA makes intruder dimensions, full fine-tuning does not",
        "Shuttleworth et al. 2024, arXiv 2410.21228",
        "new large singular directions over all matrices: rank 16 against all weights",
        lambda: adaptations.intruders(16)[1] - adaptations.intruders(None)[1],
    ),
    Prediction(
        "turning intruders down keeps more than turning everything down",
        "asked of Shuttleworth et al. 2024, arXiv 2410.21228, and PEFT's reduce_intruder_dimension",
        "known facts at rank 16, as many new ones: intruders halved against everything turned down",
        lambda: _intruders_against_the_dial(16),
    ),
    Prediction(
        "old data mixed in keeps other old facts",
        "Pletenev et al. 2025, arXiv 2502.14502",
        "rank 64, known facts that were not mixed in: with 10 % old data against none",
        lambda: _mixed(64, 0.1),
    ),
    Prediction(
        "an adapter can be merged and rounded to four bits at no cost",
        "practice; QLoRA, arXiv 2305.14314, trains on the rounded base instead",
        "new or known facts lost by rounding to NF4, rank 64: at most 0.02",
        lambda: 0.02 - _rounded(64),
    ),
    Prediction(
        "an adapter cut from rank 64 to 16 is better than one trained at 16",
        'PEFT\'s page on converting adapters: "can be", rsLoRA cut from 64 to 32, by right answers',
        "both turned down to 97.5 % of the new facts, known facts: cut to 16 against trained at 16",
        lambda: turned_down(64, cut=16) - turned_down(16),
    ),
    Prediction(
        "at equal parameters all matrices beat q and v",
        "LoRA Without Regret, Thinking Machines 2025: attention against MLP, by the loss",
        "known facts at 90 % of the new ones, scale 4, the better of the same two rates: rank 4 "
        "everywhere against rank 18 in q and v",
        _placed,
    ),
    Prediction(
        "TIES merges better than the sum",
        "Yadav et al. 2023, arXiv 2306.01708",
        "two adapters of rank 16, facts of both: TIES against the sum, each at its best dial",
        lambda: _merged("people"),
    ),
    Prediction(
        "a larger rate for B is more than a scale",
        "how LoRA+ is taken; Hayou et al. 2024, arXiv 2402.12354",
        "LoRA+ with ratio 16 and s = 16 end apart after 40 steps",
        lambda: -_identity("LoRA+ with ratio 16 is s times 16"),
        PAIRED,
    ),
)
