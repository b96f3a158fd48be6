"""What the figure of a run must show."""

from helpers.model.fine_tuning import Progress, stored_run
from helpers.model.recipe import Recipe

_RECIPE, _PROGRESS, _RESULT = stored_run()
_FULL = Recipe(
    method="full", placement="attention", optimiser="sgd", learning_rate=0.1, replayed=0.1, seed=2
)


def fine_tuning_run(picture, recipe, progress, result=None):
    losses = {each.step: each.loss for each in progress[1:]}
    asked = {each.step: (each.new, each.known) for each in progress if each.new is not None}
    assert list(picture.loss.get_xdata()) == list(losses)
    assert list(picture.loss.get_ydata()) == list(losses.values())
    for line, which in ((picture.new, 0), (picture.known, 1)):
        assert list(line.get_xdata()) == list(asked)
        assert list(line.get_ydata()) == [shares[which] for shares in asked.values()]
    last = progress[-1].step
    said = [f"After step {last} of {recipe.steps} the loss is {losses[last]:.2g}."]
    if result:
        new, known = (f"{100 * share:.0f} %" for share in result)
        said.append(f"{new} of the facts of all {recipe.people} new people and {known} of those")
        return [*said, "LoRA of rank 8 and scale 1.41 (alpha/sqrt(r), alpha 4) in all matrices;"]
    said.append("25 people known before, asked after step 0. All weights in attention only;")
    return [*said, "SGD at 0.1, 32 texts per step; 25 new people, and 10 % of the known ones;"]


LIVE = {
    "FineTuningRun": (
        fine_tuning_run,
        [
            {"recipe": _RECIPE, "progress": _PROGRESS, "result": _RESULT},
            {"recipe": _FULL, "progress": [Progress(0, None, 0.1, 0.9), Progress(1, 2.0)]},
        ],
    )
}
