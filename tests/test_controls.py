"""What every control is called, where it starts and ends, and what its buttons say."""

import pytest

from helpers.controls import CONTROLS, RANK_STEPS, TRAINING, rank_slider, values

#: {setting: (a value, a slider's name and stops or a row of buttons with what each one sets)}
SAID = {
    "method": ("lora", "LoRA = lora | All weights = full"),
    "rule": ("alpha/r", "alpha/r | alpha/sqrt(r)"),
    "rank": (8, "rank r: 1 to 64 by 1"),
    "alpha": (8, "alpha: 1 2 3 4 6 8 12 16 24 32 48 64 96 128 192 256"),
    "scale": (1.0, "dial: 0 0.25 0.5 0.75 1 1.25 1.5 2 2.5 3 4"),
    "noise": (0.01, "noise: 0 0.001 0.003 0.01 0.02 0.03 0.05 0.07 0.1 0.15 0.2 0.25 0.3 0.35 0.4"),
    "mapped_rank": (16, "rank r: 1 4 16 64"),
    "trained_scale": (1.0, "scale s: 0.25 1 2 4 16 64"),
    "mapped_rate": (1e-3, "learning rate: 1e-05 3e-05 0.0001 0.0003 0.001 0.003 0.01"),
    "optimiser": ("adam", "SGD = sgd | Adam = adam"),
    "placement": (
        "all",
        "All matrices = all | Attention, mlp = attention, mlp | Attention = attention | "
        "Query, value = query, value",
    ),
    "learning_rate": (
        1e-3,
        "learning rate: 0.0001 0.00018 0.00032 0.00056 0.001 0.0018 0.0032 0.0056 0.01 0.018 "
        "0.032 0.056 0.1 0.18 0.32 0.56 1",
    ),
    "steps": (100, "steps: 25 50 100 200 400 800"),
    "batch": (8, "batch: 8 16 32 64"),
    "people": (100, "new people: 5 10 25 50 100 200"),
    "replayed": (0.1, "old data: 0% 1% 3% 10% 30% 75%"),
    "seed": (0, "seed: 0 to 9 by 1"),
    "target": (0.9, "target: 0.5 0.8 0.9 0.95 0.99 0.999"),
    "person": (2, "person: 1 to 25 by 1"),
    "update": ("style", "facts update = facts | style update = style"),
    "change": (
        "plain",
        "Plain = plain | Epsilon 1 = epsilon | Weight decay 0.1 = decay | Clipped to 1 = clipping",
    ),
    "task": (
        "100",
        "New style = saga | Facts of 25 people = 25 | Facts of 100 people = 100 | "
        "Facts of 400 people = 400",
    ),
    "server": ("reads", "Server reads use_rslora = reads | Server ignores use_rslora = ignores"),
    "field": (
        "share",
        "Effective rank = effective | Stable rank = stable | Energy 90 % = rank90 | "
        "Energy 99 % = rank99 | Share in use = share | Norm = norm",
    ),
}


def said(control):
    """A control as it is written in `SAID`."""
    if not hasattr(control, "options"):
        return f"{control.description}: {control.min} to {control.max} by {control.step}"
    if control.description:
        return f"{control.description}: {' '.join(label for label, _ in control.options)}"
    return " | ".join(
        label if label == value else f"{label} = {value}" for label, value in control.options
    )


def test_every_control_is_listed():
    assert set(SAID) == {*CONTROLS, *TRAINING}


@pytest.mark.parametrize("name", SAID)
def test_a_control_says_and_offers_what_is_listed(name):
    value, listed = SAID[name]
    control = {**TRAINING, **CONTROLS}[name](value)
    assert said(control) == listed
    assert control.value == value
    assert value in values(control)


@pytest.mark.parametrize("name", [name for name, (_, listed) in SAID.items() if ": " in listed])
def test_a_slider_shows_what_it_sets(name):
    control = {**TRAINING, **CONTROLS}[name](SAID[name][0])
    for label, value in getattr(control, "options", ()):
        shown = float(label[:-1]) / 100 if label.endswith("%") else float(label)
        assert shown == value


def test_rates_reach_over_five_decades():
    control = TRAINING["learning_rate"](1e-3, (1e-6, 1))
    listed = [label for label, _ in control.options]
    assert listed[:5] == ["1e-05", "1.8e-05", "3.2e-05", "5.6e-05", "0.0001"]
    assert len(listed) == 21


def test_a_logarithmic_rank_stands_in_order():
    control = rank_slider(40, (1, 256), logarithmic=True)
    assert [rank for _, rank in control.options] == sorted({40, *RANK_STEPS})
    assert RANK_STEPS == (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
