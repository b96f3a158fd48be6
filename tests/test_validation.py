"""Bad input to every public function of the mathematics: one error that says all of it."""

import inspect
import math

import numpy as np
import pytest

from helpers import exercises
from helpers.lora import article, scaling, spectrum, truncation, updates
from helpers.lora.scaling import RSLORA, STANDARD

NAN = float("nan")
VALUES = [3.0, 2.0, 1.0]
SQUARE = np.arange(1.0, 17).reshape(4, 4)

#: Bad values, what the message must show of each, and what it must say is allowed.
BAD_RANKS = [
    (0, "got 0", "between 1 and {n}"),
    (-1, "got -1", "between 1 and {n}"),
    ("above", "got {above}", "between 1 and {n}"),
    (2.0, "got 2.0", "whole number"),
    (True, "got True", "whole number"),
    ("4", "got '4'", "whole number"),
    (None, "got None", "whole number"),
]
BAD_FREE_RANKS = [case for case in BAD_RANKS if case[0] != "above"]
BAD_NOISES = [(-0.1, "-0.1"), (NAN, "nan"), (math.inf, "inf"), ("0.1", "'0.1'"), (True, "True")]
BAD_POSITIVES = [(0, "0"), (-2, "-2"), (NAN, "nan"), (math.inf, "inf"), ([], "[]"), ("x", "'x'")]
BAD_RULES = [("rslora", "'rslora'"), ("", "''"), (None, "None"), (0.5, "0.5")]
BAD_SHAPES = [
    ((0, 3), "shape[0]", "got 0"),
    ((3, -1), "shape[1]", "got -1"),
    ((3.0, 3), "shape[0]", "got 3.0"),
    ((3,), "shape", "(3,)"),
    ((3, 4, 5), "shape", "(3, 4, 5)"),
    (64, "shape", "got 64"),
]
BAD_UPDATES = [
    ([[1.0, NAN], [0.0, 1.0]], "got 1", "finite"),
    ([[1.0, math.inf], [math.inf, 1.0]], "got 2", "finite"),
    ([1.0, 2.0], "(2,)", "2-D"),
    (5.0, "()", "2-D"),
    (np.empty((0, 3)), "(0, 3)", "2-D"),
    (np.ones((2, 2, 2)), "(2, 2, 2)", "2-D"),
    ([[1.0], [1.0, 2.0]], "[[1.0], [1.0, 2.0]]", "2-D"),
    ("update", "'update'", "2-D"),
    (None, "got None", "2-D"),
]
BAD_SPECTRA = [
    ([1.0, 2.0], "[1.0, 2.0]", "descending"),
    ([1.0, -1.0], "[1.0, -1.0]", "not negative"),
    ([NAN, 1.0], "[nan, 1.0]", "finite"),
    ([math.inf, 1.0], "[inf, 1.0]", "finite"),
    ([0.0, 0.0], "[0.0, 0.0]", "above 0"),
    ([], "(0,)", "1-D"),
    (3.0, "()", "1-D"),
    ([[3.0, 2.0]], "(1, 2)", "1-D"),
    ([[3.0], [2.0, 1.0]], "[[3.0], [2.0, 1.0]]", "1-D"),
    ("abc", "'abc'", "1-D"),
]


def draw(**changed):
    """`simulate` with everything right but what is changed."""
    arguments = {"generator": np.random.RandomState(0), "shape": (9, 6), "rank": 2, **changed}
    return updates.simulate(**arguments)


CASES = []


def add(function, argument, value, *parts, names=None):
    """One bad call: the message must hold the argument's name and all of `parts`."""
    shown = repr(value).replace("\n", "")[:24]
    label = f"{getattr(function, '__name__', 'call')}-{argument}={shown}"
    CASES.append(pytest.param(function, {argument: value}, (names or argument, *parts), id=label))


def with_defaults(function, **defaults):
    """`function` with good values for everything that a case does not spoil."""

    def call(**bad):
        return function(**{**defaults, **bad})

    call.__name__ = function.__name__
    return call


# simulate and the drawn update
for value, got, allowed in BAD_RANKS:
    value, n, above = (7 if value == "above" else value), 6, 7
    add(draw, "rank", value, got.format(above=above), allowed.format(n=n))
for value, name, got in BAD_SHAPES:
    add(draw, "shape", value, got, names=name)
for value, shown in [(0, "0"), (-1.0, "-1.0"), (NAN, "nan"), (math.inf, "inf"), ("5", "'5'")]:
    add(draw, "largest", value, f"got {shown}", "above 0")
for value, shown in [(0, "0"), (NAN, "nan"), (5.5, "5.5")]:
    add(draw, "smallest", value, f"got {shown}", "above 0 and at most 5")
article_values = with_defaults(updates.article_singular_values, name="style")
simulated = draw()
for value, shown in BAD_NOISES:
    add(simulated.matrix, "noise", value, f"got {shown}", "at least 0")
    add(article_values, "noise", value, f"got {shown}", "at least 0")
for value in ("Style", "", None, 3):
    add(article_values, "name", value, f"got {value!r}", "one of 'style', 'facts'")

# scaling
scale = with_defaults(scaling.scale, alpha=16, rank=4)
alpha_for_scale = with_defaults(scaling.alpha_for_scale, scale=1, rank=4)
equivalent = with_defaults(
    scaling.equivalent_alpha, alpha=16, rank=4, rule=STANDARD, new_rank=4, new_rule=RSLORA
)
loader_ratio = with_defaults(scaling.loader_ratio, rank=4, trained=RSLORA, loader=STANDARD)
for value, got, _ in BAD_FREE_RANKS:
    for function in (scale, alpha_for_scale, equivalent, loader_ratio):
        add(function, "rank", value, got, "whole number at least 1")
add(scale, "rank", [4, 0], "got [4, 0]", "at least 1")
for value, shown in BAD_POSITIVES:
    for function in (scale, equivalent, scaling.rank_at_scale_one):
        add(function, "alpha", value, f"got {shown}", "finite and above 0")
    add(alpha_for_scale, "scale", value, f"got {shown}", "finite and above 0")
at_scale_one = with_defaults(scaling.rank_at_scale_one, alpha=16)
for value, shown in BAD_RULES:
    for function in (scale, alpha_for_scale, equivalent, at_scale_one):
        add(function, "rule", value, f"got {shown}", "one of 'alpha/r', 'alpha/sqrt(r)'")

# approximation
factor = with_defaults(truncation.factor, update=SQUARE, rank=2)
literal = with_defaults(
    truncation.error_by_reconstruction, update=SQUARE, rank=2, alpha=16, rule=STANDARD
)
relative_error = with_defaults(truncation.relative_error, update=SQUARE, approximation=SQUARE)
scaled_error = with_defaults(truncation.scaled_error, singular_values=VALUES, rank=2, scale=1.0)
squared = with_defaults(truncation.squared_error, captured=0.75, missed=0.25, scale=1.0)
plane = with_defaults(
    truncation.error_plane, singular_values=VALUES, ranks=[1], alphas=[16], rule=STANDARD
)
for value, got, allowed in BAD_UPDATES:
    for function in (factor, literal, relative_error):
        add(function, "update", value, got, allowed)
    add(truncation.svd, "matrix", value, got, allowed)
    add(relative_error, "approximation", value, got, allowed)
add(relative_error, "update", np.zeros((4, 4)), "all zeros")
add(literal, "update", np.zeros((4, 4)), "all zeros")
add(relative_error, "approximation", np.ones((4, 3)), "(4, 4)", "got (4, 3)")
for value, got, allowed in BAD_RANKS:
    value = 5 if value == "above" else value
    for function in (factor, literal):
        add(function, "rank", value, got.format(above=5), allowed.format(n=4))
    value = 4 if value == 5 else value
    add(scaled_error, "rank", value, got.format(above=4), allowed.format(n=3))
for value, shown in BAD_POSITIVES:
    add(literal, "alpha", value, f"got {shown}", "finite and above 0")
    add(scaled_error, "scale", value, f"got {shown}", "finite and above 0")
for value, shown in BAD_RULES:
    for function in (literal, plane):
        add(function, "rule", value, f"got {shown}", "one of 'alpha/r', 'alpha/sqrt(r)'")

for value, shown in [(-0.1, "-0.1"), (NAN, "nan"), (math.inf, "inf"), ([], "[]"), ("x", "'x'")]:
    for argument in ("captured", "missed", "scale"):
        add(squared, argument, value, f"got {shown}", "finite and at least 0")

# everything that takes singular values
rank_for_energy = with_defaults(spectrum.rank_for_energy, singular_values=VALUES, target=0.9)
rank_for_error = with_defaults(spectrum.rank_for_error, singular_values=VALUES, target=0.1)
for value, got, allowed in BAD_SPECTRA:
    for function in (
        truncation.energy_split, scaled_error, plane, spectrum.captured_energy,
        spectrum.truncation_error, spectrum.stable_rank, spectrum.effective_rank,
        spectrum.participation_ratio, rank_for_energy, rank_for_error, spectrum.elbow,
    ):  # fmt: skip
        add(function, "singular_values", value, got, allowed)
add(spectrum.elbow, "singular_values", [2.0, 1.0], "got 2", "at least 3")
for value, shown in [(1.1, "1.1"), (-0.1, "-0.1"), (NAN, "nan"), ("0.9", "'0.9'"), (True, "True")]:
    add(rank_for_energy, "target", value, f"got {shown}", "above 0 and at most 1")
    add(rank_for_error, "target", value, f"got {shown}", "at least 0 and at most 1")
add(rank_for_energy, "target", 0, "got 0", "above 0")
several = with_defaults(spectrum.ranks_for_energy, singular_values=VALUES, targets=[0.9])
add(several, "targets", [0.9, 1.1], "got 1.1", "above 0 and at most 1", names="target")

# noise
limits = [
    with_defaults(function, shape=(4, 4), noise=0.1)
    for function in (spectrum.noise_floor, spectrum.detection_limit)
]
for function in limits:
    for value, name, got in BAD_SHAPES:
        add(function, "shape", value, got, names=name)
    for value, shown in BAD_NOISES:
        add(function, "noise", value, f"got {shown}", "at least 0")

add(with_defaults(exercises.check, answer=1), "key", "99-9", "got '99-9'", "01-1")


@pytest.mark.parametrize("function, bad, parts", CASES)
def test_one_error_names_the_argument_the_value_and_what_is_allowed(function, bad, parts):
    with pytest.raises(ValueError) as caught:
        function(**bad)
    message = str(caught.value)
    for part in parts:
        assert part in message
    assert "\n" not in message
    assert len(message) < 300


@pytest.mark.parametrize(
    "function, bad",
    [
        (equivalent, {"new_rank": 0}),
        (equivalent, {"new_rule": "rslora"}),
        (loader_ratio, {"trained": "rslora"}),
        (loader_ratio, {"loader": "rslora"}),
        (plane, {"ranks": [0]}),
        (plane, {"alphas": [-1]}),
    ],
)
def test_an_argument_that_is_handed_on_is_named(function, bad):
    (name,) = bad
    with pytest.raises(ValueError, match=rf"^{name} "):
        function(**bad)


@pytest.mark.parametrize(
    "function, bad",
    [
        (scale, {"alpha": "16"}),
        (scale, {"alpha": True}),
        (scale, {"rank": [[1], [2, 3]]}),
        (factor, {"update": [["1", "2"], ["3", "4"]]}),
        (factor, {"update": 1j * SQUARE}),
        (article_values, {"name": ["style"]}),
    ],
)
def test_values_that_convert_by_accident(function, bad):
    (name,) = bad
    with pytest.raises(ValueError, match=rf"^{name} must"):
        function(**bad)


@pytest.mark.parametrize("bad", [None, 42, "RandomState", [1.0, 2.0]])
def test_a_generator_that_cannot_draw(bad):
    with pytest.raises(TypeError, match=r"generator must be.*RandomState.*Generator") as caught:
        draw(generator=bad)
    assert type(bad).__name__ in str(caught.value)


def test_good_ends_are_allowed():
    """The limits themselves are no errors."""
    assert factor(rank=4)[0].shape == (4, 4)
    assert draw(rank=6, largest=1, smallest=1).rank == 6
    assert draw(rank=np.int64(6), shape=(np.int32(9), 6)).rank == 6
    assert simulated.matrix(noise=0).shape == (9, 6)
    assert scale(alpha=np.float32(16), rank=np.uint8(4)) == 4
    assert rank_for_energy(target=1) == 3
    assert rank_for_error(target=1) == 1
    assert scaled_error(rank=3) == 0


def test_every_public_function_of_the_mathematics_has_a_bad_call():
    """A function that is added to these modules needs its cases here."""
    covered = {case.values[0].__name__ for case in CASES} | {"simulate", "equivalent_alpha"}
    # scale_of is scale, remembered.
    without_arguments = {"article_updates", "audit", "verdicts", "remarks", "scale_of"}
    for module in (updates, scaling, truncation, spectrum, article):
        for name, function in vars(module).items():
            function = inspect.unwrap(function) if callable(function) else function
            ours = inspect.isfunction(function) and function.__module__ == module.__name__
            if ours and not name.startswith("_"):
                assert name in covered | without_arguments
