"""What the shipped runs say, worked out by hand."""

from helpers.model import adaptations


def best_rate(rank, scale):
    """Median over the worlds that choose: of the rates that learned all, what keeps most."""
    best = []
    for world in (0, 1, 2):
        runs = [row for row in adaptations.plain_lora()
                if (row["rank"], row["scale"], row["seed"]) == (rank, scale, world)
                and row["facts"] >= 0.975]  # fmt: skip
        best.append(max(runs, key=lambda run: run["known"])["learning_rate"])
    return sorted(best)[1]
