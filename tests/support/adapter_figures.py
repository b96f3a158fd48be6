"""What the figures of adapters must show: from the factors, by dense matrices."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from helpers.model import world
from tests.support.model_figures import matrices, written_without_a_cache

FOLDER = Path(__file__).parents[2] / "helpers" / "data" / "adapters"
TASKS = {"people": "100", "crowd": "400", "style": "saga"}


def record():
    return json.loads((FOLDER.parent / "adapters.json").read_text(encoding="utf-8"))


def updates(name):
    """{matrix: its update as the small model adds it}, the scale worked out by hand."""
    config = json.loads((FOLDER / name / "adapter_config.json").read_text())
    scale = config["lora_alpha"] / config["r"] ** (0.5 if config["use_rslora"] else 1)
    stored = load_file(FOLDER / name / "adapter_model.safetensors")
    found = {}
    for key in stored:
        if "lora_A" in key or "embedding_A" in key:
            A, B = (stored[key.replace("_A", f"_{letter}")].astype(float) for letter in "AB")
            module = key.removeprefix("base_model.model.").split(".lora_")[0]
            found[module] = scale * (B @ A).T
    return found


def adapter_map(picture, field):
    measured = {}
    for name, update in updates("people").items():
        values = np.linalg.svd(update, compute_uv=False)[:16]
        energy = np.cumsum(values**2) / np.sum(values**2)
        shares = values / values.sum()
        effective = np.exp(-np.sum(shares * np.log(shares)))
        measured[name] = {
            "effective": effective,
            "stable": 1 / energy[0],
            "rank90": np.argmax(energy >= 0.9) + 1,
            "share": effective / 16,
            "norm": np.linalg.norm(update),
        }[field]
    low, high = ([f(v for name, v in measured.items() if "layers" in name)] for f in (min, max))
    for row, module in enumerate(picture.modules):
        for column, layer in enumerate(picture.layers):
            value = measured[f"layers.{layer}.{module}"]
            np.testing.assert_allclose(picture.drawn.values[row, column], value, rtol=1e-9)
            relative = (value - low[0]) / (high[0] - low[0])
            np.testing.assert_allclose(
                picture.image.get_array()[row, column], relative, rtol=1e-6, atol=1e-9
            )
            digits = 2 if field in ("share", "norm") else 1
            assert picture.texts[row, column].get_text() == f"{value:.{digits}f}"
    assert (len(picture.modules), len(picture.layers)) == (6, 3)
    highest = sorted(measured, key=measured.get, reverse=True)[:6]
    lines = picture.text().splitlines()
    assert lines[0].startswith("6 of 21 modules, highest ")
    if field != "rank90":  # which has ties
        assert [line.split()[0] for line in lines[2:]] == highest
    assert highest[0] in picture.text_html()
    return ["of 18 modules in 3 layers", "3 modules in no layer are not on the map"]


def adapter_cut(picture, rank, scale):
    """All modules together are one long vector of numbers."""
    whole = updates("people")
    full = np.concatenate([update.ravel() for update in whole.values()])

    def error(r, s):
        parts = []
        for update in whole.values():
            U, S, Vt = np.linalg.svd(update, full_matrices=False)
            parts.append((U[:, :r] * S[:r] @ Vt[:r]).ravel())
        return np.linalg.norm(full - s * np.concatenate(parts)) / np.linalg.norm(full)

    np.testing.assert_array_equal(picture.errors.get_xdata(), np.arange(1, 17))
    for r in (1, rank, 16):
        for line, s in ((picture.errors, scale), (picture.best, 1.0)):
            np.testing.assert_allclose(line.get_ydata()[r - 1], error(r, s), atol=1e-7)
    for at in (0, 40, 160):
        s = picture.scales.get_xdata()[at]
        np.testing.assert_allclose(picture.scales.get_ydata()[at], error(rank, s), atol=1e-9)
    for point, at in zip(picture.points, (rank, scale)):
        assert point.get_xdata() == [at]
        np.testing.assert_allclose(point.get_ydata(), [error(rank, scale)], atol=1e-7)
    for reader, ratio in (("alpha/r", rank**-0.5), ("alpha/sqrt(r)", 1.0)):
        np.testing.assert_allclose(picture.loaders[reader].get_xdata(), [ratio], rtol=1e-12)
        (shown,) = picture.loaders[reader].get_ydata()
        np.testing.assert_allclose(shown, error(rank, ratio), atol=1e-7)
    for cursor, at in zip(picture.cursors, (rank, rank, scale)):
        assert list(cursor.get_xdata()) == [at, at]
    return [
        f"At rank {rank} of 16 and dial {scale:g}",
        f"over all 21 modules is {error(rank, scale):.3f}",
        f"best at this rank is {error(rank, 1):.3f}",
        f"alpha/r applies {rank**-0.5:.3g} of the trained scale, error "
        f"{error(rank, rank**-0.5):.3f}",
    ]


def hook(picture, rank, server):
    """The adapter's own files, cut and scaled here; the model asked without a cache."""
    weights, kept, all_of_it = {}, 0.0, 0.0
    update = updates("people")
    trained = 4 / 16**0.5
    strength = (trained if server == "reads" else 4 / 16) / trained
    for name, matrix in matrices("base").items():
        U, S, Vt = np.linalg.svd(update[name], full_matrices=False)
        weights[name] = matrix + strength * (U[:, :rank] * S[:rank]) @ Vt[:rank]
        kept, all_of_it = kept + np.sum(S[:rank] ** 2), all_of_it + np.sum(S**2)
    people = world.world(0)[400:425]
    text = written_without_a_cache(weights, people[1], "record")
    assert " ".join(picture.drawn.marks.words) == text
    assert picture.text().startswith("written: ")
    right = [
        sum(word == getattr(people[1], part) for word in text.split() if word in world.PARTS[part])
        for part in world.FACTS
    ]
    shown = [at for at in zip(picture.right.get_xdata(), picture.right.get_ydata())]
    wrong = [at for at in zip(picture.wrong.get_xdata(), picture.wrong.get_ydata())]
    assert sorted(shown + wrong) == [(x, y) for x in range(1, 26) for y in range(4)]
    assert len(shown) == round(100 * picture.drawn.now.facts)
    assert sum(x == 2 for x, _ in shown) == sum(right)
    served, energy, _, facts = (bar.get_xdata()[1] for bar in picture.bars)
    assert served == strength
    np.testing.assert_allclose(energy, kept / all_of_it, rtol=1e-9)
    assert facts == len(shown) / 100
    html = picture.text_html()
    assert html.count("<s ") == sum(kind == "wrong" for kind in picture.drawn.marks.kinds)
    return [f"{len(shown)} of 100 facts right", f"4 facts, {sum(right)}.", f"With {rank} of its 16"]


#: As in figure_support: the check of each figure, and settings to check it at.
ADAPTERS = {
    "Hook": (hook, [{"rank": 16, "server": "ignores"}, {"rank": 5, "server": "reads"}]),
    "AdapterCut": (adapter_cut, [{"rank": 8, "scale": 1.0}, {"rank": 3, "scale": 0.25}]),
    "AdapterMap": (
        adapter_map,
        [{"field": "effective"}, {"field": "stable"}, {"field": "rank90"}, {"field": "norm"},
         {"field": "share"}],
    ),
}  # fmt: skip
