"""What SmolLM2 forgets while it learns invented facts: all weights and LoRA, over the rate.

A fact is right if each word piece of the answer is the model's most likely one, given the
question and the beginning of the answer. Known are general questions (`general`) that the
model answers rightly before any training. Settings are chosen on one half of them and one way to
ask for the new facts, and reported on the other half and another way; neither way was trained.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from helpers.model import world

from . import config, general, pretrained, questions

BATCH = 32
Questions = Sequence[general.Cloze]


@torch.no_grad()
def answered(model: Any, asked: Questions) -> np.ndarray:
    """(N,): which of the questions the model answers rightly."""
    tokenizer = pretrained.loaded()[1]
    found = []
    for first in range(0, len(asked), BATCH):
        pairs = [
            [
                tokenizer.encode(text)
                for text in (pretrained.chat(q.question) + q.start, q.following)
            ]
            for q in asked[first : first + BATCH]
        ]
        ids = torch.full((len(pairs), max(len(a) + len(b) for a, b in pairs)), 2)
        for row, (before, after) in enumerate(pairs):
            ids[row, : len(before) + len(after)] = torch.tensor(before + after)
        with torch.autocast(pretrained.DEVICE, torch.bfloat16):
            states = model.model(ids.to(pretrained.DEVICE)).last_hidden_state
            for row, (before, after) in enumerate(pairs):
                here = states[row, len(before) - 1 : len(before) + len(after) - 1]
                found.append(model.lm_head(here).argmax(dim=-1).tolist() == after)
    return np.array(found)


@lru_cache(maxsize=1)
def known() -> tuple[list[general.Cloze], list[general.Cloze]]:
    """The general questions that the base answers rightly: to choose on, and to report on."""
    model, _, base = pretrained.loaded()
    pretrained.restore(model, base)
    asked = general.general()
    right = [question for question, there in zip(asked, answered(model, asked)) if there]
    return right[::2], right[1::2]


def new(seed: int) -> tuple[list[questions.Item], list[general.Cloze], list[general.Cloze]]:
    """Trained on, and asked in a third way (to choose on) and in a fourth (to report on)."""
    trained, asked = [], ([], [])
    for person in world.people(config.FORGETTING_PEOPLE, seed):
        for fact, ways in questions.ASKED.items():
            words = {"name": person.name, fact: getattr(person, fact)}
            answer = questions.ANSWERED[fact].format(**words)
            *taught, third, fourth = (way.format(**words) for way in ways)
            trained += [questions.Item(way, answer, words[fact]) for way in taught]
            for half, way in zip(asked, (third, fourth)):
                start = answer.split(words[fact])[0].rstrip()
                half.append(general.Cloze(way, start, words[fact]))
    return trained, *asked


def pretrained_forgets(
    seed: int, rank: int | None, scale: float, learning_rate: float, steps: int | None = None
) -> dict[str, Any]:
    """Train the facts of new people; what is known then, of the new and of the old.

    Parameters
    ----------
    seed : int
        Of the people, the start of the factors and the order of the texts.
    rank : int or None
        Of PEFT's LoRA in every linear layer; None trains their weights.
    scale : float
        The scale s. Without a rank it has no effect: give 1.
    steps : int or None
        None for those of `config.FORGETTING_TRAINING`.

    Returns
    -------
    "facts" and "known" (reported), "facts_chosen_on" and "known_chosen_on", and "dials": the
    first two with the update turned down.
    """
    chosen_on, reported = known()
    trained, *asked = new(seed)
    model, tokenizer, base = pretrained.loaded()
    pretrained.restore(model, base)
    torch.manual_seed(seed)
    layers = pretrained.linear_layers(model)
    adapted = None if rank is None else _with_lora(model, rank, scale)
    if adapted is None:
        parameters = [layer.weight.requires_grad_() for layer in layers.values()]
    else:
        parameters = [each for each in adapted.parameters() if each.requires_grad]
    common = config.FORGETTING_TRAINING
    training = config.Training(steps or common["steps"], learning_rate, common["batch"])
    loss = pretrained.fit(model, parameters, trained, tokenizer, training, seed)
    found: dict[str, Any] = {
        "parameters": sum(each.numel() for each in parameters),
        "loss": loss if np.isfinite(loss) else None,
        "diverged": not np.isfinite(loss),
        "asked": [len(asked[1]), len(reported)],
    }
    if not found["diverged"]:
        found["facts_chosen_on"] = _share(model, asked[0])
        found["known_chosen_on"] = _share(model, chosen_on)
        found["dials"] = []
        full = {} if adapted else {n: layer.weight.data.clone() for n, layer in layers.items()}
        for dial in (1.0, *config.FORGETTING_DIALS):
            if adapted is None:
                for name, layer in layers.items():
                    layer.weight.data.copy_(torch.lerp(base[name], full[name], dial))
            else:
                for layer in _lora_layers(adapted):
                    layer.set_scale("default", dial)
            both = {"facts": _share(model, asked[1]), "known": _share(model, reported)}
            if dial == 1.0:
                found |= both
            else:
                found["dials"].append({"dial": dial, **both})
    if adapted is not None:
        adapted.unload()
    return found


def _with_lora(model: Any, rank: int, scale: float) -> Any:
    from peft import LoraConfig, get_peft_model

    settings = LoraConfig(r=rank, lora_alpha=scale * rank, target_modules="all-linear")
    return get_peft_model(model, settings)


def _lora_layers(adapted: Any) -> list[Any]:
    from peft.tuners.lora import LoraLayer

    return [module for module in adapted.modules() if isinstance(module, LoraLayer)]


def _share(model: Any, asked: Questions) -> float:
    return round(float(answered(model, asked).mean()), 4)
