"""What the figures of the language models must show: read here straight from the data."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from helpers.model import transformer, tuned, world
from tests.support.matrices import RSLORA, STANDARD
from tests.support.runs import crossed

DATA = Path(__file__).parents[2] / "helpers" / "data"
TASKS = ("saga", "25", "100", "400")


def stored(name):
    return json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))


def matrices(name):
    loaded = load_file(DATA / f"small_{name}.safetensors")
    return {key: matrix.astype(np.float64) for key, matrix in loaded.items()}


def people_and_style(task):
    everyone = world.world(0)
    if task == "saga":
        return everyone[:400], "record", world.SAGA
    return everyone[400 : 400 + int(task)], "record", world.STYLES["record"]


def written_without_a_cache(weights, person, style):
    """Greedy decoding that works everything out again for every word."""
    tokens = list(world.encode(f"{style} {person.name} :"))
    while len(tokens) < 36:
        tokens.append(int(transformer.forward(weights, [tokens])[0, -1].argmax()))
        if world.vocabulary()[tokens[-1]] == ".":
            break
    return world.decode(tokens[4:])


def behaviour(picture, rank, scale, noise, person, task):
    base, update, draw = matrices("base"), matrices(f"update_{task}"), np.random.RandomState(0)
    weights, kept, all_of_it = {}, 0.0, 0.0
    for name in sorted(update):
        noisy = update[name] + noise * draw.standard_normal(update[name].shape)
        U, S, Vt = np.linalg.svd(noisy, full_matrices=False)
        weights[name] = base[name] + scale * sum(
            S[i] * np.outer(U[:, i], Vt[i]) for i in range(min(rank, len(S)))
        )
        kept, all_of_it = kept + np.sum(S[:rank] ** 2), all_of_it + np.sum(S**2)
    people, style, template = people_and_style(task)
    shown = people[person - 1]
    text = written_without_a_cache(weights, shown, style)
    assert " ".join(picture.drawn.marks.words) == text
    words = text.split()
    right = [
        next((w for w in words if w in world.PARTS[part]), None) == getattr(shown, part)
        for part in world.FACTS
    ]
    (run,) = (r for r in stored("small_model")["full"] if r["task"] == task and r["seed"] == 0)
    for side, setting in (("ranks", "rank"), ("scales", "scale")):
        for name in ("facts", "style", "known", *(["energy"] if side == "ranks" else [])):
            line = picture.lines[side, name]
            np.testing.assert_array_equal(line.get_xdata(), [row[setting] for row in run[side]])
            np.testing.assert_array_equal(line.get_ydata(), [row[name] for row in run[side]])
    for side, at in (("ranks", rank), ("scales", scale)):
        point = picture.points[side, "facts"]
        assert point.get_xdata() == [at]
        assert point.get_ydata() == [picture.drawn.now.facts]
    for cursor, at in zip(picture.cursors, (rank, scale)):
        assert list(cursor.get_xdata()) == [at, at]
    asked, written, truth, signs = picture.text().splitlines()
    assert asked == f"asked: {style} {shown.name} :"
    assert truth == f"right is: {world.tell(shown, template)}"
    assert written.count("✓") == sum(
        word == getattr(shown, part)
        for word in words
        for part in world.FACTS
        if word in world.PARTS[part]
    )
    assert "✓ a right fact, ✗ a wrong one" in signs
    assert picture.text_html().count("✗") == written.count("✗") + 1
    assert shown.name in picture.text_html()
    return [
        f"rank {rank}, dial {scale:g} and noise {noise:g}",
        f"of person {person}, {shown.name}, {sum(right)} of 4 facts are right",
        f"{100 * kept / all_of_it:.0f} % of the update's energy",
    ]


def agree_seeded(seeded, table):
    """A mean line and its single seeds; `table` is {setting: [value of each seed]}."""
    at = sorted(table)
    np.testing.assert_array_equal(seeded.line.get_xdata(), at)
    means = [np.mean(table[x]) for x in at]
    np.testing.assert_allclose(seeded.line.get_ydata(), means, rtol=1e-12)
    drawn = list(zip(seeded.seeds.get_xdata(), seeded.seeds.get_ydata()))
    drawn = sorted((x, y) for x, y in drawn if np.isfinite(y))
    assert drawn == sorted((x, y) for x in at for y in table[x])


def tabled(rows, setting, name):
    table = {}
    for row in rows:
        table.setdefault(row[setting], []).append(row[name])
    return table


def truncated_rows(task):
    return [
        row for run in stored("small_model")["full"] if run["task"] == task for row in run["ranks"]
    ]


def capacity_rows(task):
    return [
        row for row in stored("small_lora")["runs"] if row["task"] == task and row["alpha"] == 4
    ]


def lowest_rank(table, level):
    """The lowest rank from which on every mean and every seed is at the level."""
    good = [rank for rank in sorted(table) if min(table[rank]) >= level]
    return next(r for r in sorted(table) if all(x in good for x in table if x >= r))


def truncated_or_trained(picture):
    said = []
    for task in TASKS:
        name = "style" if task == "saga" else "facts"
        for way, rows in (("truncated", truncated_rows(task)), ("trained", capacity_rows(task))):
            table = tabled(rows, "rank", name)
            agree_seeded(picture.lines[task, way], table)
            said.append(f"{lowest_rank(table, 0.9)} {way}")
    return [*said, "90 % are right"]


def pretrained_over_rank(picture, learning_rate):
    data = stored("pretrained")
    said = ["SmolLM2-135M"]
    for task in ("style", "facts"):
        full = [row for run in data["full"] if run["task"] == task for row in run["ranks"]]
        table = tabled(full, "rank", task)
        agree_seeded(picture.lines[task, "truncated"], table)
        agree_seeded(picture.lines[task, "energy"], tabled(full, "rank", "energy"))
        rate = learning_rate if task == "facts" else 5e-4
        rows = [
            row for row in data["lora"]
            if (row["task"], row["learning_rate"]) == (task, rate)
            and (row["rank"] == 1 or not row["use_rslora"])
        ]  # fmt: skip
        agree_seeded(picture.lines[task, "trained"], tabled(rows, "rank", task))
        said.append(f"{100 * np.mean(table[1]):.0f}")
    return said


def pretrained_windows(picture):
    """Each end of each bar, from the record by hand; and the line of one product."""
    scales = {
        "alpha/r, alpha = 16": lambda rank: 16 / rank,
        "alpha/sqrt(r), alpha = 16": lambda rank: 16 / rank**0.5,
        "alpha/r, alpha = 2r": lambda rank: 2,
    }
    said = ["SmolLM2-135M", "5 seeds"]
    for rule, scale in scales.items():
        bars = []
        for rank in (1, 4, 16, 64, 256):
            for seed in range(5):
                mine = sorted(
                    (run["learning_rate"], run["facts"], run["known"])
                    for run in stored("pretrained_forgetting")["runs"]
                    if (run["rank"], run["scale"], run["seed"]) == (rank, scale(rank), seed)
                )
                rates, facts, known = np.transpose(mine)
                for share, place in (crossed(facts, 0.975), crossed(1 - known, 0.8)):
                    bars.append(rates[place] * (rates[place + 1] / rates[place]) ** share)
        drawn = picture.bars[rule].get_xdata()
        np.testing.assert_allclose(drawn[np.isfinite(drawn)], bars)
        assert list(picture.ends[rule].get_xdata()) == list(drawn[1::3])
        mean = np.exp(np.log(np.reshape(bars, (5, 5, 2))).mean(axis=1))
        said.append(f"with {rule} {mean[0, 0]:.2g} to {mean[0, 1]:.2g} at rank 1, ")
        roots = [(scale(rank) * rank) ** 0.5 for rank in (1, 4, 16, 64, 256)]
        assert picture.lines[rule].get_xdata() * roots == pytest.approx([0.01] * 5)
        within = [low <= 0.01 / root < high for root, ends in zip(np.repeat(roots, 5),
                  np.reshape(bars, (25, 2))) for low, high in [ends]]  # fmt: skip
        said.append(f"lies in {100 * np.mean(within):.0f} %")
    titles = [ax.get_title() for ax in picture.figure.axes]
    assert [title.endswith(": rates stay") for title in titles] == [True, False, False]
    assert picture.title == (
        "Only alpha/r at alpha = 16 has one learning rate that serves all ranks from 1 to 256."
    )
    return said


def mapped(worlds, **setting):
    """Runs of the map and of the sweeps, read from their records: {world: run}."""
    same = {"optimiser", "task", "placement", "replayed", "steps", "batch", "quantised"}
    plain = [
        run for part in ("examine", "adapt") for run in stored("small_map")[part]
        if not same & run.keys() and run["seed"] in worlds
    ]  # fmt: skip
    for run in stored("small_lora")["runs"]:
        if (run["task"], run["alpha"], run["optimiser"]) == ("100", 16, "adamw"):
            scale = 16 / run["rank"] ** (0.5 if run["use_rslora"] else 1)
            if run["seed"] in worlds:
                plain.append({**run, "scale": scale})
    return {
        run["seed"]: run for run in plain
        if all(run[key] == pytest.approx(value) for key, value in setting.items())
    }  # fmt: skip


def new_against_known(picture, mapped_rank, trained_scale, mapped_rate):
    here = {"rank": mapped_rank, "scale": trained_scale}
    runs = mapped((0, 1, 2), **here, learning_rate=mapped_rate)
    drawn = sorted(zip(*picture.worlds.get_data()))
    assert drawn == sorted((run["facts"], run["known"]) for run in runs.values())
    rates = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
    means = [
        [np.mean([run[name] for run in found.values()]) for name in ("facts", "known")]
        for rate in rates
        if (found := mapped((0, 1, 2), **here, learning_rate=rate))
    ]
    np.testing.assert_allclose(np.transpose(picture.path.get_data()), means, rtol=1e-12)
    full = mapped((0, 1, 2), rank=None, learning_rate=1e-4)
    said = [f"rank {mapped_rank} at scale {trained_scale:g}", f"rate {mapped_rate:g}"]
    said.append(f"{np.mean([run['known'] for run in full.values()]):.2f} (all weights)")
    said.append(f"alpha {trained_scale * mapped_rank:g} with alpha/r")
    if runs:
        return [*said, f"known facts {np.mean([run['known'] for run in runs.values()]):.2f}"]
    return [*said, "not run"]


def kept_by_way(picture):
    said = ["97.5 % of the new ones"]
    hollow = any(dots.get_fillstyle() == "none" for dots in picture.dots)
    assert ("Open marks" in picture.description) == hollow
    for i, way in enumerate(picture.drawn.ways):
        assert list(picture.dots[i].get_xdata()) == list(way.known)
        assert set(picture.dots[i].get_ydata()) == {i}
        said.append(f"{way.trained}, {way.kind[:3]}")
        if way.kind == "as trained" and way.worlds == (3, 4, 5):
            (run,) = (
                run for run in stored("small_map")["examine"]
                if (run["rank"], run["seed"], run.get("quantised")) == (way.rank, 3, None)
                and (run["scale"], run["learning_rate"]) == tuned.best(way.rank)
            )  # fmt: skip
            assert way.known[0] == run["known"]
            said.append(f"as trained {way.known.mean():.2f}")
    return [part for part in said if not part.endswith(("cut", "old"))]


def what_to_set(picture, rank, alpha, rule, learning_rate):
    """From the two files, by hand: the nearest setting in doublings, and its rates."""
    rows = {}
    for run in stored("small_lora")["runs"]:
        if (run["task"], run["alpha"], run["optimiser"]) == ("100", 16, "adamw"):
            s = 16 / (run["rank"] ** 0.5 if run["use_rslora"] else run["rank"])
            rows[run["seed"], run["rank"], s, run["learning_rate"]] = run
    for run in [*stored("small_map")["examine"], *stored("small_map")["adapt"]]:
        odd = {"optimiser": "adamw", "task": "100", "steps": 400, "batch": 32,
               "placement": "all", "replayed": 0.0, "quantised": False}  # fmt: skip
        if run["rank"] and all(run.get(key, value) == value for key, value in odd.items()):
            rows[run["seed"], run["rank"], run["scale"], run["learning_rate"]] = run
    scale = alpha / (rank**0.5 if rule == RSLORA else rank)
    asked = np.log2([rank, scale, learning_rate])
    keys = sorted({key[1:] for key in rows})
    nearest = min(keys, key=lambda key: np.abs(np.log2(key) - asked).sum())
    near = np.abs(np.log2(nearest) - asked).max() <= 1
    if not near:
        assert len(picture.here.get_xdata()) == len(picture.new.get_xdata()) == 0
        return ["Nothing was measured", f"rank {nearest[0]}, scale {nearest[1]:g}"]
    run_in = {key[0]: run for key, run in rows.items() if key[1:] == nearest}
    trios = [trio for trio in ((3, 4, 5), (0, 1, 2)) if set(trio) <= set(run_in)]
    worlds = [*trios, (0,)][0]
    found = [run_in[world] for world in worlds]
    facts, known = (np.mean([run[name] for run in found]) for name in ("facts", "known"))
    np.testing.assert_allclose(picture.here.get_data(), [[facts], [known]])
    rates = [key[2] for key in keys if key[:2] == nearest[:2]]
    assert list(picture.new.get_xdata()) == list(picture.known.get_xdata()) == rates
    assert known == pytest.approx(picture.known.get_ydata()[rates.index(nearest[2])])
    said = f"rate {nearest[2]:g}, in world{'s' * (len(worlds) > 1)} {worlds[0]}"
    return [said, f"{facts:.2f} of the new facts", f"{known:.2f} of the known facts"]


#: As in figure_support: the check of each figure, and settings to check it at.
MODELS = {
    "Behaviour": (
        behaviour,
        [
            {"rank": 8, "scale": 1.0, "noise": 0.0, "person": 2, "task": "100"},
            {"rank": 5, "scale": 1.5, "noise": 0.01, "person": 7, "task": "saga"},
        ],
    ),
    "KeptByWay": (kept_by_way, [{}]),
    "NewAgainstKnown": (
        new_against_known,
        [
            {"mapped_rank": 64, "trained_scale": 16.0, "mapped_rate": 3e-5},
            {"mapped_rank": 4, "trained_scale": 0.25, "mapped_rate": 1e-5},
        ],
    ),
    "PretrainedOverRank": (
        pretrained_over_rank,
        [{"learning_rate": 2e-3}, {"learning_rate": 5e-4}],
    ),
    "PretrainedWindows": (pretrained_windows, [{}]),
    "TruncatedOrTrained": (truncated_or_trained, [{}]),
    "WhatToSet": (
        what_to_set,
        [
            {"rank": 64, "alpha": 16, "rule": RSLORA, "learning_rate": 3.2e-4},
            {"rank": 5, "alpha": 16, "rule": STANDARD, "learning_rate": 3.2e-3},
            {"rank": 64, "alpha": 16, "rule": RSLORA, "learning_rate": 1e-5},
        ],
    ),
}
