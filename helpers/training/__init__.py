"""LoRA trained by hand: losses, SGD and Adam, the loop, and what theory says of it.

``losses`` what is minimised; ``init`` how A is initialised; ``optimisers`` SGD and Adam;
``loop`` the training; ``theory`` the first step and the largest step, in formulas and
measured over the rank; ``identities`` what scale and rate have in common and what breaks
it; ``sweeps`` training over ranks and learning rates.
"""

from .identities import adamw, conditions_table, first_step_exponent, second_step, twins
from .init import INITS, init_A, init_variance
from .loop import BLOW_UP, History, gradients, train
from .losses import DataLoss, Loss, MatrixLoss, noisy_data
from .optimisers import OPTIMISERS
from .sweeps import HABITS, Sweep, article_loss, compare, rate_grid, sweep, tuned_table
from .theory import (
    QUANTITIES,
    Exponent,
    doubled,
    exponents_table,
    first_gradients,
    first_step_sizes,
    gaussian_target,
    log_slope,
    measure_exponents,
    stable_rate,
    theory_exponent,
)

__all__ = [
    "BLOW_UP",
    "HABITS",
    "INITS",
    "OPTIMISERS",
    "QUANTITIES",
    "DataLoss",
    "Exponent",
    "History",
    "Loss",
    "MatrixLoss",
    "Sweep",
    "adamw",
    "article_loss",
    "compare",
    "conditions_table",
    "doubled",
    "exponents_table",
    "first_gradients",
    "first_step_exponent",
    "first_step_sizes",
    "gaussian_target",
    "gradients",
    "init_A",
    "init_variance",
    "log_slope",
    "measure_exponents",
    "noisy_data",
    "rate_grid",
    "second_step",
    "stable_rate",
    "sweep",
    "theory_exponent",
    "train",
    "tuned_table",
    "twins",
]
