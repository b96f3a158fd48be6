"""What the shipped runs say, worked out by hand."""

from helpers.model import adaptations


def best_rate(rank, scale, worlds=(0, 1, 2)):
    """Median over three worlds: of the rates that learned all, what keeps most."""
    best = []
    for world in worlds:
        runs = [row for row in adaptations.plain_lora()
                if (row["rank"], row["scale"], row["seed"]) == (rank, scale, world)
                and row["facts"] >= 0.975]  # fmt: skip
        best.append(max(runs, key=lambda run: run["known"])["learning_rate"])
    return sorted(best)[1]


def crossed(values, level):
    """Where values first reach a level: how far between two places, and the first of them."""
    place = next(i for i, value in enumerate(values) if value >= level) - 1
    if place < 0:
        return 0.0, 0
    return (level - values[place]) / (values[place + 1] - values[place]), place
