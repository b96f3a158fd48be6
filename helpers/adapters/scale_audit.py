"""The scale audit: what an adapter was trained with, and what its readers apply.

A reader that knows only alpha/r makes an rsLoRA adapter too weak by sqrt(r).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ..lora import scaling
from ..tables import Table
from .model import Adapter


@dataclass(frozen=True)
class Audit:
    """The multipliers of all modules with one rank, alpha and rule.

    Parameters
    ----------
    modules : int
        How many.
    rank, alpha, rule
    trained : float
        The multiplier by the adapter's own rule.
    standard, rslora : float
        What a reader with alpha/r and one with alpha/sqrt(r) applies.
    standard_ratio, rslora_ratio : float
        The same over `trained`: 1 is right, below 1 is too weak.
    """

    modules: int
    rank: int
    alpha: float
    rule: str
    trained: float
    standard: float
    rslora: float
    standard_ratio: float
    rslora_ratio: float


@dataclass(frozen=True)
class Reader:
    """A tool that applied the wrong scale to rsLoRA adapters, and where that is reported.

    `state` is what the source said on 2026-11-25, and the newest release on that day
    where one is named: look there before relying on it.
    """

    name: str
    fault: str
    state: str
    date: str
    source: str


_GITHUB = "https://github.com/"
#: Reports of readers that ignore, or ignored, use_rslora; dates are those of the report.
READERS = (
    Reader("SGLang", "applies alpha/r", "open; so does release 0.5.23", "2026-09-23",
           _GITHUB + "sgl-project/sglang/issues/40835"),
    Reader("vLLM", "applied alpha/r", "fixed by pull request 6909; right in release 0.33.0",
           "2024-11-30", _GITHUB + "vllm-project/vllm/issues/10798"),
    Reader("vLLM, experts of mixture models", "applied alpha/r",
           "fixed by pull request 55548; right in release 0.33.0", "2026-09-06",
           _GITHUB + "vllm-project/vllm/issues/55545"),
    Reader("TensorRT-LLM", "applied alpha/r", "closed as fixed, 2024-07-17", "2024-05-24",
           _GITHUB + "NVIDIA/TensorRT-LLM/issues/1668"),
    Reader("ExLlamaV2", "applied alpha/r", "fixed by this pull request, 2024-09-08",
           "2024-09-07", _GITHUB + "turboderp-org/exllamav2/pull/619"),
    Reader("LoRAX", "applied alpha/r", "fixed by this pull request, 2024-03-04", "2024-03-04",
           _GITHUB + "predibase/lorax/pull/299"),
    Reader("llama.cpp, convert_lora_to_gguf.py", "writes lora_alpha only, no rule and no pattern",
           "as read at 0b03adaa", "2026-11-23", _GITHUB + "ggml-org/llama.cpp"),
    Reader("PEFT, add_weighted_adapter", "result too strong by the root of its rank",
           "pull request 3449 merged; still so in release 0.21.2; 3761 open", "2026-07-17",
           _GITHUB + "huggingface/peft/issues/3761"),
    Reader("PEFT, set_scale", "set alpha/r", "closed; right in release 0.21.2", "2025-08-08",
           _GITHUB + "huggingface/peft/issues/2733"),
)  # fmt: skip


def audit(adapter: Adapter) -> list[Audit]:
    """The multipliers of an adapter, most frequent first."""
    counts = Counter((each.rank, each.alpha, each.rule) for each in adapter.modules)
    made = []
    for (rank, alpha, rule), count in counts.most_common():
        trained, standard, rslora = (
            float(scaling.scale(alpha, rank, each))
            for each in (rule, scaling.STANDARD, scaling.RSLORA)
        )
        ratios = (
            float(scaling.reader_ratio(rank, rule, each))
            for each in (scaling.STANDARD, scaling.RSLORA)
        )
        made.append(Audit(count, rank, alpha, rule, trained, standard, rslora, *ratios))
    return made


def table(audits: list[Audit]) -> Table:
    """The audit as a table."""
    headings = [
        "modules", "r", "alpha", "trained with", "multiplier", "by alpha/r", "ratio",
        "by alpha/sqrt(r)", "ratio",
    ]  # fmt: skip
    return Table(
        headings,
        [
            [
                each.modules, each.rank, f"{each.alpha:g}", each.rule, f"{each.trained:.4g}",
                f"{each.standard:.4g}", f"{each.standard_ratio:.4g}", f"{each.rslora:.4g}",
                f"{each.rslora_ratio:.4g}",
            ]
            for each in audits
        ],
    )  # fmt: skip


def verdict(audits: list[Audit]) -> str:
    """A sentence or two: who reads this adapter wrongly, and what helps."""
    rslora = [each for each in audits if each.rule == scaling.RSLORA]
    weakest = min((each.standard_ratio for each in rslora), default=1.0)
    if not rslora:
        said = (
            "The rule is alpha/r, the common one; a reader told alpha/sqrt(r) would be too "
            "strong by sqrt(r)."
        )
    elif weakest == 1:
        said = "At rank 1 both rules give the same multiplier."
    else:
        said = (
            f"A reader that ignores use_rslora applies {weakest:.4g} of the trained multiplier, "
            f"{1 / weakest:.4g} times too weak; `bake` writes a copy that it reads rightly."
        )
    low, high = (end(each.trained for each in audits) for end in (min, max))
    if low < high:
        said += (
            f" Multipliers differ between modules, from {low:.4g} to {high:.4g}: a reader must "
            "heed each module's own (in PEFT's files rank_pattern and alpha_pattern)."
        )
    return said
