"""Exercises on a small language model and adapters of it: notebooks 01, 04 and 08 to 10."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from .. import adapters, validation
from ..lora import spectrum
from ..model import comparisons, deployments, recall, results, shipped, world
from ..model.comparisons import TRAINED
from ..model.forgetting import CHOOSE, MATCHED, known_at
from ..model.tasks import NEW_STYLE
from ..model.update import lora_size
from .answers import Check, function, not_a_rank, number, pair

MAPPED = sorted(rank for rank in TRAINED if rank is not None)


@lru_cache(maxsize=16)
def _kept(rank: int) -> float:
    """The share of facts that the adapter "people" has, cut to a rank."""
    return recall.with_adapter("people", rank).facts


def enough_for_ninety(answer: Any) -> str:
    """Exercise 01-4: the lowest rank at which 90 of 100 facts are right."""
    if problem := not_a_rank(answer, 16):
        return problem
    rank = int(np.asarray(answer).item())
    if _kept(rank) < 0.9:
        return f"at rank {rank} the model gets {100 * _kept(rank):.0f} of 100 right."
    if rank > 1 and _kept(rank - 1) >= 0.9:
        return f"at rank {rank} it gets {100 * _kept(rank):.0f} right; a lower rank does as well."
    return ""


def mended(answer: Any) -> str:
    """Exercise 04-4: by what alpha is multiplied on each server, None where nothing helps."""
    if not isinstance(answer, Mapping) or set(answer) != set(deployments.FAULTS):
        return f"a dictionary with {', '.join(deployments.FAULTS)} is asked for, got {answer!r}."
    mendable = {
        server: 1 / fault.strength
        for server, fault in deployments.FAULTS.items()
        if fault.strength and fault.kept == deployments.ADAPTER.rank
    }
    for server, factor in answer.items():
        if factor is None:
            if server in mendable:
                return f"server {server} serves all of the adapter, at a wrong scale: alpha helps."
            continue
        now = deployments.answers_of(server, validation.number("factor", factor, 0, 1000))
        right = (
            f"with {float(factor):g} times the alpha, server {server} has {100 * now.facts:.0f} % "
            f"of the facts and {100 * now.style_share:.0f} % of the style"
        )
        if server not in mendable:
            return f"{right}: what is not there cannot be made louder."
        if not np.isclose(float(factor), mendable[server], rtol=0.02):
            return f"{right}. Which factor makes the length of its update 1?"
    return ""


def lowest_for_3200(answer: Any) -> str:
    """Exercise 08-1: the lowest rank for 3,200 people, at half a bit in each number."""
    ranks = 3200 * world.bits_per_person() / (0.5 * lora_size(shipped.base(), 1))
    return number(
        float(np.ceil(ranks)),
        {
            ranks: "a rank is a whole number: round up, or not all people fit.",
            float(np.floor(ranks)): "at that rank a few people are left out: round up.",
            float(np.ceil(ranks / 2)): "each number holds half a bit, not one.",
        },
    )(answer)


def other_way_round(answer: Any) -> str:
    """Exercise 08-2: what is right of a new style's update, cut to rank 1."""
    curves, at = results.truncated(NEW_STYLE), 0
    right = {name: float(curves.mean(name)[at]) for name in ("style", "facts")}
    kept = [name for name, share in right.items() if share > 0.5]
    options = ("style", "facts", "both", "neither")
    if answer not in options:
        return f"one of {', '.join(options)} is asked for, got {answer!r}."
    if answer == ("both" if len(kept) == 2 else kept[0] if kept else "neither"):
        return ""
    if answer == "neither":
        return "the facts are of people whom the base knows: were they ever at risk?"
    return f"at rank 1 it writes {right['style']:.2f} of the style's words. Did the base know them?"


def same_energy(answer: Any) -> str:
    """Exercise 08-3: the dial with the energy of a cut to rank 8, and which has more facts."""
    try:
        dial, more = answer
    except (TypeError, ValueError):
        return f"a dial and a word are asked for, got {answer!r}."
    cut, dials = results.truncated("100"), results.truncated("100", "scales")
    at = list(cut.at).index(8)
    energy, facts = float(cut.mean("energy")[at]), float(cut.mean("facts")[at])
    off = number(
        energy**0.5,
        {energy: "that is the energy; a dial multiplies the update, and energy adds up squares."},
        "Which number has that energy as its square?",
    )(dial)
    if off:
        return off
    if more not in ("cut", "dial"):
        return f'"cut" or "dial" is asked for, got {more!r}.'
    with_dial = float(np.interp(energy**0.5, dials.at, dials.mean("facts")))
    if more == ("dial" if with_dial > facts else "cut"):
        return ""
    return f"the cut has {facts:.2f} of the facts; what has the dial at 0.5, with less energy?"


def budget(answer: Any) -> str:
    """Exercise 09-1: (rank, scale, rate): all learned, half of the old kept, fewest numbers."""
    if len(answer) != 3:
        return f"three numbers are asked for, rank, scale and learning rate, got {answer!r}."
    rank, *setting = (float(value) for value in answer)
    if rank not in MAPPED:
        return f"the map has the ranks {', '.join(map(str, MAPPED))}, got {rank:g}."
    facts, known = _on_the_map(int(rank), *setting)
    if np.isnan(facts):
        return f"rank {rank:g} was not run at scale {setting[0]:g} and rate {setting[1]:g}."
    if facts < MATCHED:
        return f"there {facts:.2f} of the new facts are right: 0.975 is asked for."
    if known < 0.5:
        return f"there {known:.2f} of the known facts are left: half is asked for."
    lower = [each for each in MAPPED if each < rank and comparisons.most_known(each) >= 0.5]
    return f"that has both, and so has a rank below {rank:g}." if lower else ""


def _on_the_map(rank: int, scale: float, rate: float) -> tuple[float, float]:
    """New and known facts, means over the choosing worlds; NaN for what was not run."""
    points = comparisons.tried(rank, CHOOSE).where(
        lambda s, eta: bool(np.isclose(s, scale) and np.isclose(eta, rate))
    )
    if not points.settings:
        return float("nan"), float("nan")
    return float(np.nanmean(points.facts)), float(np.nanmean(points.known))


def two_abstracts(answer: Any) -> str:
    """Exercise 09-2: rates of full fine-tuning at which rank 16 forgets less, and more."""
    values = np.asarray(answer, dtype=float)
    if values.shape != (2,):
        return f"two learning rates are asked for, got shape {values.shape}."
    points, lora = comparisons.learned(None), comparisons.most_known(16)
    known = {rate: kept for (_, rate), kept in zip(points.settings, points.known.mean(axis=0))}
    found = [kept for value in values for rate, kept in known.items() if np.isclose(rate, value)]
    if len(found) < 2:
        return f"take rates of the table: {', '.join(f'{rate:g}' for rate in known)}."
    less, more = found
    if less < lora < more:
        return ""
    if more < lora < less:
        return "the two rates are in the wrong order."
    return f"full fine-tuning keeps {less:.2f} and {more:.2f} there; rank 16 keeps {lora:.2f}."


@function
def kept_at(answer: Any) -> str:
    """Exercise 09-3: a function (facts, known, level) -> the most known facts at the level."""
    draw = np.random.RandomState(3)
    facts, known = draw.uniform(0.8, 1, 12), draw.uniform(0, 1, 12)
    for level in (0.85, 0.9, 0.95):
        got, expected = answer(facts.copy(), known.copy(), level), known_at(facts, known, level)
        if np.size(got) != 1:
            return f"one number is asked for, got shape {np.shape(got)}."
        value = float(np.squeeze(got))
        if np.isclose(value, expected):
            continue
        if np.isclose(value, known.max()):
            return "that run has too few new facts: the level is missing."
        if np.isclose(value, known[facts.argmax()]):
            return "that is the run with most new facts; another at the level may keep more."
        return f"at a level of {level:g} it should be {expected:.3f}, got {value:.3f}."
    return ""


def crowd_at_most(answer: Any) -> str:
    """Exercise 10-1: the lowest rank at which the adapter "crowd" has an error of at most 0.3."""
    crowd = shipped.adapter("crowd")
    if problem := not_a_rank(answer, crowd.modules[0].rank):
        return problem
    rank, spectra = int(np.asarray(answer).item()), adapters.spectra(crowd)
    error = float(adapters.error_at(spectra, rank))
    if error > 0.3:
        return f"at rank {rank} the error is {error:.3f}."
    if rank > 1 and adapters.error_at(spectra, rank - 1) <= 0.3:
        return f"at rank {rank} the error is {error:.3f}, and a lower rank does as well."
    return ""


@function
def share_in_use(answer: Any) -> str:
    """Exercise 10-2: a function (B, A) -> effective rank of B A over r."""
    draw = np.random.RandomState(0)
    B = draw.standard_normal((30, 6)) * [9, 5, 3, 1, 0.5, 0.1]
    A = draw.standard_normal((6, 20))
    values = np.linalg.svd(B @ A, compute_uv=False)[:6]
    expected, got = spectrum.effective_rank(values) / 6, answer(B.copy(), A.copy())
    if np.size(got) != 1:
        return f"one number is asked for, got shape {np.shape(got)}."
    slips = {
        expected: "",
        6 * expected: "that is the effective rank: divide it by r.",
        spectrum.effective_rank(values**2) / 6: "the measure here takes singular values, "
        "not their squares.",
        spectrum.stable_rank(values) / 6: "that is the stable rank over r.",
        6 * expected / 20: "r is the columns of B, not the rank that B A could have.",
    }
    share = float(np.squeeze(got))
    for value, said in slips.items():
        if np.isclose(share, value, rtol=1e-6):
            return said
    return f"for the adapter of the check it should be {expected:.3f}, got {share:.3f}."


def _weakened() -> tuple[float, float]:
    """The lowest measured scale at which "people" has 0.99 of its facts, and the known ones'."""
    curves = results.adapter("people", "scales")
    at = int(np.argmax(curves.mean("facts") >= 0.99))
    return float(curves.at[at]), float(curves.mean("known")[at])


def weaker(answer: Any) -> str:
    """Exercise 10-3: a scale, and the share of the known people's facts at it."""
    return pair(_weakened(), "those are the inverses.")(answer)


CHECKS: dict[str, Check] = {
    "01-4": enough_for_ninety,
    "04-4": mended,
    "08-1": lowest_for_3200,
    "08-2": other_way_round,
    "08-3": same_energy,
    "09-1": budget,
    "09-2": two_abstracts,
    "09-3": kept_at,
    "10-1": crowd_at_most,
    "10-2": share_in_use,
    "10-3": weaker,
}
