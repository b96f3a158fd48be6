"""The scaling rules of LoRA and rsLoRA, and the conversions between them.

LoRA adds s B A to a weight, with B (d x r) and A (r x k). The scale s is
alpha / r in LoRA (Hu et al. 2021, arXiv:2106.09685) and alpha / sqrt(r) in
rank-stabilised LoRA (Kalajdzievski 2023, arXiv:2312.03732).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from .. import validation
from ..validation import Array

STANDARD = "alpha/r"
RSLORA = "alpha/sqrt(r)"
RULES = (STANDARD, RSLORA)

#: The power of r that divides alpha in each rule.
_POWER = {STANDARD: 1.0, RSLORA: 0.5}


def scale(alpha: ArrayLike, rank: ArrayLike, rule: str = STANDARD) -> Array:
    """The scale s on B A.

    Parameters
    ----------
    alpha : float or array, above 0
    rank : int or array, at least 1
        `alpha` and `rank` broadcast against each other.
    rule : "alpha/r" or "alpha/sqrt(r)"

    Returns
    -------
    float array of the broadcast shape (0-d for two scalars).

    Raises
    ------
    ValueError
        If alpha <= 0, rank < 1, or the scaling is unknown.

    Examples
    --------
    >>> float(scale(16, 64)), float(scale(16, 64, RSLORA))
    (0.25, 2.0)
    >>> scale(16, [1, 4, 16]).tolist()
    [16.0, 4.0, 1.0]
    """
    validation.choice("rule", rule, RULES)
    alpha = validation.positive_array("alpha", alpha)
    rank = validation.rank_array("rank", rank)
    return np.asarray(alpha / rank ** _POWER[rule])


@lru_cache(maxsize=4096)
def scale_of(alpha: float, rank: int, rule: str = STANDARD) -> float:
    """The scale of one module, remembered: of thousands few differ.

    Examples
    --------
    >>> scale_of(16, 64, RSLORA)
    2.0
    """
    return float(scale(alpha, rank, rule))


def alpha_for_scale(scale: ArrayLike, rank: ArrayLike, rule: str = STANDARD) -> Array:
    """The alpha that gives the scale s at this rank: s r or s sqrt(r).

    The inverse of `scale`; same shapes and errors.

    Examples
    --------
    >>> float(alpha_for_scale(2.0, 64, STANDARD)), float(alpha_for_scale(2.0, 64, RSLORA))
    (128.0, 16.0)
    """
    validation.choice("rule", rule, RULES)
    scale = validation.positive_array("scale", scale)
    rank = validation.rank_array("rank", rank)
    return np.asarray(scale * rank ** _POWER[rule])


def equivalent_alpha(
    alpha: ArrayLike,
    rank: ArrayLike,
    rule: str,
    new_rank: ArrayLike,
    new_rule: str,
) -> Array:
    """The alpha that keeps the scale when rank, rule or both change.

    At one rank, from alpha/r to alpha/sqrt(r): alpha / sqrt(r). From
    alpha/sqrt(r) to alpha/r (baking an rsLoRA adapter for a loader that knows
    only alpha/r): alpha sqrt(r). Arguments as for `scale`.

    Examples
    --------
    >>> float(equivalent_alpha(16, 64, RSLORA, 64, STANDARD))
    128.0
    """
    kept = scale(alpha, rank, rule)
    validation.choice("new_rule", new_rule, RULES)
    new_rank = validation.rank_array("new_rank", new_rank)
    return alpha_for_scale(kept, new_rank, new_rule)


def rank_at_scale_one(alpha: ArrayLike, rule: str = STANDARD) -> Array:
    """The rank, not rounded, at which the scale is 1: alpha or alpha^2.

    Examples
    --------
    >>> float(rank_at_scale_one(16)), float(rank_at_scale_one(16, RSLORA))
    (16.0, 256.0)
    """
    validation.choice("rule", rule, RULES)
    alpha = validation.positive_array("alpha", alpha)
    return np.asarray(alpha ** (1 / _POWER[rule]))


def loader_ratio(rank: ArrayLike, trained: str, loader: str) -> Array:
    """Scale that a loader applies over the one the adapter was trained with.

    1 where they agree; 1 / sqrt(r) for an rsLoRA adapter read with alpha/r;
    sqrt(r) the other way round. alpha cancels.

    Examples
    --------
    >>> float(loader_ratio(64, trained=RSLORA, loader=STANDARD))
    0.125
    """
    validation.choice("trained", trained, RULES)
    validation.choice("loader", loader, RULES)
    return scale(1.0, rank, loader) / scale(1.0, rank, trained)
