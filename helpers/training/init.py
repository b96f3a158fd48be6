"""How A is initialised, and what each way does to its variance as r grows."""

from __future__ import annotations

import numpy as np

from .. import validation
from ..validation import Array

#: "kaiming" is PEFT's default: kaiming_uniform_(a = sqrt 5), which is uniform on
#: +-1/sqrt(k), variance 1/(3 k). "gaussian" is normal with variance 1/k. Both leave
#: r out. "peft_gaussian" is PEFT's init_lora_weights="gaussian": standard deviation 1/r.
INITS = ("kaiming", "gaussian", "peft_gaussian")


def init_variance(rank: int, width: int, init: str = "kaiming") -> float:
    """Variance of each entry of A before training.

    Arguments as for `init_A`. Only "peft_gaussian" depends on the rank.
    """
    rank = validation.integer("rank", rank, 1)
    width = validation.integer("width", width, 1)
    validation.choice("init", init, INITS)
    return {"kaiming": 1 / (3 * width), "gaussian": 1 / width, "peft_gaussian": 1 / rank**2}[init]


def init_A(
    generator: np.random.RandomState | np.random.Generator,
    rank: int,
    width: int,
    init: str = "kaiming",
) -> Array:
    """Draw A, (r, k). B starts at zero, so the adapter starts as no update at all.

    Parameters
    ----------
    generator : numpy.random.RandomState or Generator
        One `uniform` or one `standard_normal` is drawn from it.
    rank, width : int
        r and k, at least 1.
    init : "kaiming", "gaussian" or "peft_gaussian"

    Raises
    ------
    ValueError
        If an argument is out of range or unknown.

    Examples
    --------
    >>> A = init_A(np.random.RandomState(0), rank=2, width=64)
    >>> A.shape, bool(np.abs(A).max() <= 1 / 8)
    ((2, 64), True)
    """
    spread = np.sqrt(init_variance(rank, width, init))
    if init == "kaiming":
        bound = np.sqrt(3) * spread
        return generator.uniform(-bound, bound, (rank, width))
    return spread * generator.standard_normal((rank, width))
