"""What each figure must show: computed here, compared with the artists it has drawn."""

import numpy as np
import pytest

from tests.support.adapter_figures import ADAPTERS
from tests.support.live_figures import LIVE
from tests.support.matrices import (
    NAMES,
    RSLORA,
    STANDARD,
    article_matrices,
    article_spectra,
    errors_from_spectrum,
    expected_scale,
    rebuilt,
)
from tests.support.model_figures import MODELS
from tests.support.training_figures import TRAINING

RULES = (STANDARD, RSLORA)
RANKS = np.arange(1, 65)


def agree(shown, computed, expected):
    """What is drawn is what was computed, and that is what it should be."""
    shown, computed = np.ma.filled(shown, np.nan), np.asarray(computed)
    np.testing.assert_array_equal(shown, computed)
    np.testing.assert_allclose(computed, expected, rtol=1e-9, atol=1e-11)


def agree_line(line, x, computed, expected):
    np.testing.assert_array_equal(line.get_xdata(), x)
    agree(line.get_ydata(), computed, expected)


def stands_at(cursor, x):
    assert list(cursor.get_xdata()) == [x, x]


def captured(values):
    return np.array([np.sum(values[:r] ** 2) for r in RANKS]) / np.sum(values**2)


def missed(values):
    return np.array([np.sum(values[r:] ** 2) for r in RANKS]) / np.sum(values**2)


def two_updates(picture, rank, noise):
    said = [f"Rank {rank} keeps {128 * rank} numbers", f"noise {noise:g}"]
    for name, matrix in article_matrices(noise).items():
        kept = rebuilt(matrix, rank)
        drawn = picture.drawn.matrices
        agree(picture.images[name, "update"].get_array(), drawn[name, "update"], matrix)
        agree(picture.images[name, "kept"].get_array(), drawn[name, "kept"], kept)
        error = np.linalg.norm(matrix - kept) / np.linalg.norm(matrix)
        said.append(f"{name} with a relative error of {error:.3f}")
    return said


def components(picture, rank, noise, update):
    matrix = article_matrices(noise)[update]
    together = rebuilt(matrix, rank)
    component = together - (rebuilt(matrix, rank - 1) if rank > 1 else 0)
    for title, expected in zip(picture.TITLES, (component, together, matrix - together)):
        agree(picture.images[title].get_array(), picture.drawn.matrices[title], expected)
    values = article_spectra(noise)[update]
    share = values[rank - 1] ** 2 / np.sum(values**2)
    return [
        f"{update.capitalize()} at noise {noise:g}",
        f"singular value {values[rank - 1]:.2f} and {100 * share:.1f} % of the energy",
        f"{100 * captured(values)[rank - 1]:.1f} %",
    ]


def spectrum_under_noise(picture, noise):
    spectra = article_spectra(noise)
    floor, limit = 16 * noise, 8 * noise
    for name in NAMES:
        agree_line(picture.observed[name], RANKS, picture.drawn.observed[name], spectra[name])
        np.testing.assert_allclose(picture.floors[name].get_ydata(), [floor, floor], rtol=1e-12)
        np.testing.assert_allclose(picture.limit.get_ydata(), [limit, limit], rtol=1e-12)
        (alone,) = (
            line for line in picture.observed[name].axes.lines if line.get_label() == "signal alone"
        )
        signal = [5, 3.5, 2, 0.5] + [0] * 60 if name == "style" else np.linspace(3, 0.5, 64)
        np.testing.assert_allclose(alone.get_ydata(), signal, rtol=1e-12)
    facts = spectra["facts"]
    return [
        ", ".join(f"{value:.2f}" for value in spectra["style"][:4]),
        f"run from {facts[0]:.2f} down to {facts[-1]:.2f}",
        f"would reach {floor:.2f}",
        f"a signal up to {limit:.2f} leaves no trace",
        f"{sum(np.array([5, 3.5, 2, 0.5]) > limit)} of style's 4 signals",
    ]


def string_on_spectrum(picture, noise):
    said = [f"At noise {noise:g}"]
    for name, values in article_spectra(noise).items():
        string = [values[0] + (values[-1] - values[0]) * i / 63 for i in range(64)]
        agree_line(picture.curves[name], RANKS, picture.drawn.spectra[name], values)
        agree_line(picture.strings[name], RANKS, picture.drawn.strings[name], string)
        gaps = np.array(string) - values
        at = max(range(64), key=lambda i: gaps[i])
        np.testing.assert_allclose(picture.drops[name].get_xdata(), [at + 1] * 2)
        np.testing.assert_allclose(picture.drops[name].get_ydata(), [values[at], string[at]])
        depth = gaps[at] / values[0]
        assert picture.depths[name].get_text() == f"depth {depth:.2f} below the string"
        said += [f"after {at} component", f"by {depth:.2f} of its first value"]
    return said


def weave(picture):
    drawn = [image.get_array() for image in picture.images.values()]
    for (beside, above), (u, v), plaid in zip(picture.strips, picture.drawn.strips, drawn):
        np.testing.assert_array_equal(beside.get_array()[:, 0], u)
        np.testing.assert_array_equal(above.get_array()[0], v)
        np.testing.assert_allclose(plaid, [[a * b for b in v] for a in u], rtol=1e-12)
        assert np.linalg.matrix_rank(plaid) == 1
    np.testing.assert_allclose(drawn[0] + drawn[1], drawn[2], atol=1e-15)
    assert np.linalg.matrix_rank(drawn[2]) == 2
    return ["each of 12 rows", "a matrix of rank 2: 48 numbers make 144"]


def error_over_rank(picture, rank, alpha, noise):
    said = [f"At rank {rank}, alpha {alpha:g} and noise {noise:g}"]
    for name, values in article_spectra(noise).items():
        for series in ("best", *RULES):
            scales = np.ones(64) if series == "best" else expected_scale(alpha, RANKS, series)
            expected = errors_from_spectrum(values, RANKS, scales)
            computed = picture.drawn.errors[name, series]
            np.testing.assert_allclose(computed, expected, rtol=1e-9, atol=1e-11)
            # An error of 0 has no place on a log axis.
            shown = np.where(expected > 0, computed, np.nan)
            line = picture.lines[name, series]
            np.testing.assert_array_equal(line.get_xdata(), RANKS)
            np.testing.assert_array_equal(line.get_ydata(), shown)
            point = picture.points[name, series]
            assert point.get_xdata() == [rank]
            np.testing.assert_array_equal(point.get_ydata(), [shown[rank - 1]])
            said.append(f"{expected[rank - 1]:.3f}")
    for cursor in picture.cursors:
        stands_at(cursor, rank)
    return [*said, *(f"{expected_scale(alpha, rank, rule):.4g}" for rule in RULES)]


def error_plane(picture, rank, alpha, noise, update):
    values = article_spectra(noise)[update]
    alphas = np.geomspace(1, 256, 60)
    said = [f"{update.capitalize()} update, rank {rank}, alpha {alpha:g}, noise {noise:g}"]
    for rule, power in zip(RULES, (1, 2)):
        expected = [
            errors_from_spectrum(values, RANKS, expected_scale(a, RANKS, rule)) for a in alphas
        ]
        image = picture.images[rule]
        agree(image.get_array(), picture.drawn.planes[rule].T, expected)
        assert tuple(image.get_extent()) == (0.5, 64.5, 0, 8)
        point = picture.points[rule]
        assert (point.get_xdata(), point.get_ydata()) == ([rank], [np.log2(alpha)])
        (trail,) = (line for line in image.axes.lines if line.get_color() == "white")
        np.testing.assert_allclose(trail.get_xdata(), alphas**power, rtol=1e-12)
        np.testing.assert_allclose(trail.get_ydata(), np.log2(alphas), rtol=1e-12)
        along = errors_from_spectrum(values, RANKS, expected_scale(alpha, RANKS, rule))
        lowest = f"lowest at rank {1 + np.argmin(along)} ({along.min():.3f})"
        said += [f"with {rule} the error is {along[rank - 1]:.3f}", lowest, f"{alpha**power:g}"]
    return said


def scale_over_rank(picture, rank, alpha):
    for axes in ("linear", "log"):
        for rule in RULES:
            expected = expected_scale(alpha, RANKS, rule)
            computed = picture.drawn.scales[rule]
            agree_line(picture.lines[axes, rule], RANKS, computed, expected)
            point = picture.points[axes, rule]
            agree_line(point, [rank], [computed[rank - 1]], [expected[rank - 1]])
    for cursor in picture.cursors:
        stands_at(cursor, rank)
    return [
        f"At rank {rank} and alpha {alpha:g}",
        *(f"{expected_scale(alpha, rank, rule):.4g}" for rule in RULES),
        f"{np.sqrt(rank):.4g} times",
        "64-fold",
        "8-fold",
        "slopes -1.00 and -0.50",
    ]


def loader_mismatch(picture, rank, alpha, noise):
    trained = 16 / np.sqrt(RANKS)
    agree_line(picture.trained, RANKS, picture.drawn.trained, trained)
    ratios = {rule: expected_scale(alpha, RANKS, rule) / trained for rule in RULES}
    said = [f"scale of {4 * 4 / np.sqrt(rank):.4g}", f"alpha of {16 * np.sqrt(rank):.4g} in the"]
    for rule, ratio in ratios.items():
        scales = picture.drawn.applied[rule]
        agree_line(picture.applied[rule], RANKS, scales, ratio * trained)
        agree(picture.points[rule].get_ydata(), [scales[rank - 1]],
              [ratio[rank - 1] * trained[rank - 1]])  # fmt: skip
        said.append(f"{100 * ratio[rank - 1]:.4g} %")
    for name, values in article_spectra(noise).items():
        for rule, ratio in ratios.items():
            expected = errors_from_spectrum(values, RANKS, ratio)
            computed = picture.drawn.errors[name, rule]
            np.testing.assert_allclose(computed, expected, rtol=1e-9, atol=1e-11)
            shown = np.where(computed > 0, computed, np.nan)
            np.testing.assert_array_equal(picture.errors[name, rule].get_ydata(), shown)
            said.append(f"{expected[rank - 1]:.3f}")
    for cursor in picture.cursors:
        stands_at(cursor, rank)
    return said


def spectrum_energy_error(picture, rank, noise, target):
    said = [f"At rank {rank} and noise {noise:g}", f"For {100 * target:g} % of the energy"]
    said.append(f"an error of {np.sqrt(1 - target):.3f}")
    for name, values in article_spectra(noise).items():
        curves = {
            "spectrum": values,
            "captured energy": captured(values),
            "best error": np.sqrt(missed(values)),
        }
        for title, expected in curves.items():
            computed = picture.drawn.curves[title, name]
            agree_line(picture.lines[title, name], RANKS, computed, expected)
            point = picture.points[title, name]
            agree_line(point, [rank], [computed[rank - 1]], [expected[rank - 1]])
        needed = 1 + int(np.argmax(captured(values) >= target))
        said.append(f"{name}{' needs' if name == 'style' else ''} rank {needed}")
        said.append(f"{100 * captured(values)[rank - 1]:.1f} % of its energy")
        said.append(f"{curves['best error'][rank - 1]:.3f}")
    for line, level in zip(picture.targets, (target, np.sqrt(1 - target))):
        np.testing.assert_allclose(line.get_ydata(), [level, level], rtol=1e-12)
    for cursor in picture.cursors:
        stands_at(cursor, rank)
    return said


def energy_triangle(picture, rank, noise):
    said = [f"At rank {rank} and noise {noise:g}"]
    for name, values in article_spectra(noise).items():
        energy = captured(values)[rank - 1]
        kept, lost = np.sqrt(energy), np.sqrt(missed(values)[rank - 1])
        agree(picture.corners[name].get_data(), np.transpose([picture.drawn.legs[name]]),
              [[kept], [lost]])  # fmt: skip
        corners = [[0, kept, kept, 0], [0, 0, lost, 0]]
        np.testing.assert_allclose(picture.edges[name].get_data(), corners, rtol=1e-9, atol=1e-12)
        assert kept**2 + lost**2 == pytest.approx(1, rel=1e-12)
        said.append(f"{name} keeps a length of {kept:.3f} and misses {lost:.3f}")
        said.append(f"energy {100 * energy:.1f} %")
    return said


#: For each figure: its check, and settings to check it at. The check compares what is
#: drawn with an independent computation and returns what the sentence must say.
EXPECTED = {
    "EnergyTriangle": (energy_triangle, [{"rank": 8, "noise": 0.01}, {"rank": 40, "noise": 0.2}]),
    "ErrorOverRank": (
        error_over_rank,
        [{"rank": 8, "alpha": 16, "noise": 0.01}, {"rank": 64, "alpha": 64, "noise": 0.1}],
    ),
    "ErrorPlane": (
        error_plane,
        [
            {"rank": 8, "alpha": 16, "noise": 0.01, "update": "facts"},
            {"rank": 33, "alpha": 192, "noise": 0.4, "update": "style"},
        ],
    ),
    "Components": (
        components,
        [
            {"rank": 1, "noise": 0.01, "update": "style"},
            {"rank": 5, "noise": 0.1, "update": "facts"},
        ],
    ),
    "LoaderMismatch": (
        loader_mismatch,
        [{"rank": 16, "alpha": 16, "noise": 0.01}, {"rank": 50, "alpha": 128, "noise": 0.2}],
    ),
    "ScaleOverRank": (scale_over_rank, [{"rank": 8, "alpha": 16}, {"rank": 61, "alpha": 3}]),
    "SpectrumEnergyError": (
        spectrum_energy_error,
        [{"rank": 8, "noise": 0.01, "target": 0.9}, {"rank": 64, "noise": 0.15, "target": 0.999}],
    ),
    "SpectrumUnderNoise": (spectrum_under_noise, [{"noise": 0.01}, {"noise": 0.3}]),
    "StringOnSpectrum": (string_on_spectrum, [{"noise": 0.01}, {"noise": 0.3}]),
    "TwoUpdates": (two_updates, [{"rank": 4, "noise": 0.01}, {"rank": 20, "noise": 0.3}]),
    "Weave": (weave, [{}]),
    **TRAINING,
    **MODELS,
    **ADAPTERS,
    **LIVE,
}
