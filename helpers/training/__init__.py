"""LoRA trained by hand: losses, SGD and Adam, the loop, and what theory says of it.

``losses`` what is minimised; ``start`` where A starts; ``optimisers`` SGD and Adam;
``loop`` the training; ``theory`` the first step and the largest step in formulas;
``exponents`` the first step measured over the rank; ``identities`` what scale and rate
have in common and what breaks it; ``sweeps`` training over ranks and learning rates;
``runs`` the ones that notebook 06 shows.
"""

from .exponents import Exponent, gaussian_target, log_slope, measure_exponents
from .identities import adamw, first_step_exponent
from .init import STARTS, start_A, start_variance
from .loop import BLOW_UP, History, gradients, train
from .losses import DataLoss, Loss, MatrixLoss, noisy_data
from .optimisers import OPTIMISERS
from .runs import article_loss, fixed_rate, rate_grid
from .sweeps import Sweep, compare, sweep
from .theory import (
    QUANTITIES,
    first_step_sizes,
    first_update,
    stable_rate,
    theory_exponent,
)

__all__ = [
    "BLOW_UP",
    "OPTIMISERS",
    "QUANTITIES",
    "STARTS",
    "DataLoss",
    "Exponent",
    "History",
    "Loss",
    "MatrixLoss",
    "Sweep",
    "adamw",
    "article_loss",
    "compare",
    "first_step_exponent",
    "first_step_sizes",
    "first_update",
    "fixed_rate",
    "gaussian_target",
    "gradients",
    "log_slope",
    "measure_exponents",
    "noisy_data",
    "rate_grid",
    "stable_rate",
    "start_A",
    "start_variance",
    "sweep",
    "theory_exponent",
    "train",
]
