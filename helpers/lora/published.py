"""Runs that others published, as data: what they held fixed, and what came out.

PEFT compares methods on MetaMathQA with Llama-3.2-3B, in `method_comparison/MetaMathQA`
of https://github.com/huggingface/peft. All of these runs have one seed (0), adapters in
the query and value matrices only, AdamW at a learning rate of 1e-4 with a weight decay of
0.1, a cosine schedule and 5,000 steps of 4 examples. Their configurations did not change;
the dates and the versions of the libraries did.
"""

from __future__ import annotations

from dataclasses import dataclass

from .scaling import RSLORA, STANDARD, scale

#: Where a run's record is, by its commit and its name.
RESULTS = "method_comparison/MetaMathQA/results/lora--{name}.json"
_LORA, _RSLORA, _LOW = (
    f"llama-3.2-3B-{name}" for name in ("rank64", "rank64-rslora", "rank32")
)  # fmt: skip


@dataclass(frozen=True)
class MetaMathRun:
    """One record of PEFT's method comparison.

    Attributes
    ----------
    created : str
        The day of the run.
    commit : str
        A commit of PEFT's repository that holds the record.
    name : str
        Its configuration.
    rank, alpha : int
    rule : "alpha/r" or "alpha/sqrt(r)"
    test, validation : float
        The share of right answers: 1,319 questions of GSM8K's test, the last of the
        measurements on 50 of its training questions.
    loss : float
        Training loss, mean of the last 250 steps.
    forgetting : float or None
        How much the loss a token on Wikipedia rose, in nats; None where not recorded.
    shifted : bool
        Whether that loss compares with the next token, as it should. Records from before
        14 July 2026 compare with the token itself (mended in d787f51b).
    """

    created: str
    commit: str
    name: str
    rank: int
    alpha: int
    rule: str
    test: float
    validation: float
    loss: float
    forgetting: float | None = None
    shifted: bool = True

    @property
    def path(self) -> str:
        """Of the record in PEFT's repository."""
        return RESULTS.format(name=self.name)

    def row(self) -> tuple[str, ...]:
        """Date, name, scale, test, validation, loss and forgetting, as text.

        Examples
        --------
        >>> METAMATHQA[-1].row()
        ('2026-07-15', 'LoRA, r = 32', '2', '47.8 %', '50 %', '0.607', '0.050')
        """
        s = float(scale(self.alpha, self.rank, self.rule))
        shares = (f"{100 * self.test:.1f} %", f"{100 * self.validation:.0f} %")
        lost = "" if self.forgetting is None else f"{self.forgetting:.3f}"
        name = f"{'rsLoRA' if self.rule == RSLORA else 'LoRA'}, r = {self.rank}"
        lost += "" if self.shifted else " (*)"
        return self.created, name, f"{s:g}", *shares, f"{self.loss:.3f}", lost


METAMATHQA = (
    MetaMathRun("2025-06-17", "47212138", _LORA, 64, 128, STANDARD, 0.4882, 0.56, 0.5929),
    MetaMathRun("2025-06-17", "47212138", _RSLORA, 64, 64, RSLORA, 0.5299, 0.58, 0.5656),
    MetaMathRun("2025-06-19", "bda9665b", _LORA, 64, 128, STANDARD, 0.4890, 0.58, 0.5929),
    MetaMathRun("2025-06-19", "bda9665b", _RSLORA, 64, 64, RSLORA, 0.5299, 0.52, 0.5657),
    MetaMathRun("2026-01-10", "a9994269", _LORA, 64, 128, STANDARD, 0.4814, 0.54, 0.5928,
                0.5591, False),
    MetaMathRun("2026-01-10", "a9994269", _RSLORA, 64, 64, RSLORA, 0.5322, 0.64, 0.5659,
                0.6632, False),
    MetaMathRun("2026-07-15", "51c2ff66", _LORA, 64, 128, STANDARD, 0.4738, 0.54, 0.5931, 0.0594),
    MetaMathRun("2026-07-15", "51c2ff66", _RSLORA, 64, 64, RSLORA, 0.5133, 0.54, 0.5663, 0.1106),
    MetaMathRun("2026-07-15", "51c2ff66", _LOW, 32, 64, STANDARD, 0.4784, 0.50, 0.6068, 0.0500),
)  # fmt: skip
