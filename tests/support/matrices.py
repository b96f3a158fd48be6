"""What several tests compare against: literal, slow versions that share no code with helpers."""

from dataclasses import is_dataclass

import numpy as np
from matplotlib.colors import to_rgb

NAMES = ("style", "facts")
STANDARD, RSLORA = "alpha/r", "alpha/sqrt(r)"


def article_matrices(noise=0.01):
    """The article's construction, step by step: style first, one legacy stream."""
    stream = np.random.RandomState(42)
    made = {}
    for name, rank, largest, smallest in (("style", 4, 5.0, 0.5), ("facts", 64, 3.0, 0.5)):
        U = np.linalg.qr(stream.randn(64, rank))[0]
        V = np.linalg.qr(stream.randn(64, rank))[0]
        S = np.linspace(largest, smallest, rank)
        made[name] = U @ np.diag(S) @ V.T + noise * stream.randn(64, 64)
    return made


def article_spectra(noise=0.01):
    """Singular values of both matrices."""
    return {
        name: np.linalg.svd(matrix, compute_uv=False)
        for name, matrix in article_matrices(noise).items()
    }


def expected_scale(alpha, rank, rule):
    """alpha / r or alpha / sqrt(r)."""
    return alpha / rank if rule == STANDARD else alpha / np.sqrt(rank)


def rebuilt(matrix, rank):
    """The truncated SVD as a sum of rank-one components."""
    U, S, Vt = np.linalg.svd(matrix)
    return sum(S[i] * np.outer(U[:, i], Vt[i]) for i in range(rank))


def error_by_hand(matrix, rank, scale):
    """Relative Frobenius error of `scale` times the truncation, from the matrices."""
    return np.linalg.norm(matrix - scale * rebuilt(matrix, rank)) / np.linalg.norm(matrix)


def errors_from_spectrum(values, ranks, scales):
    """The same, summed entry by entry in the singular basis, where nothing cancels."""
    out = []
    for rank, scale in zip(ranks, np.broadcast_to(scales, np.shape(ranks))):
        left_over = np.concatenate([(1 - scale) * values[:rank], values[rank:]])
        out.append(np.sqrt(np.sum(left_over**2)) / np.sqrt(np.sum(values**2)))
    return np.array(out)


def error_of_spectra(spectra, rank, scales):
    """The relative error over several matrices, singular value by singular value."""
    missed = total = 0.0
    for each, s in zip(spectra, scales):
        for i, value in enumerate(each.values):
            total += value**2
            missed += (value - (s * value if i < rank else 0)) ** 2
    return np.sqrt(missed / total)


def random_update(seed, d, k, rank=None):
    """A random d x k matrix, of the given rank if there is one."""
    stream = np.random.RandomState(seed)
    if rank is None:
        return stream.standard_normal((d, k))
    return stream.standard_normal((d, rank)) @ stream.standard_normal((rank, k))


def assert_same(left, right, where="numbers"):
    """Deep equality of nested dicts, sequences and arrays; NaN equals NaN."""
    if is_dataclass(right):
        left, right = vars(left), vars(right)
    if isinstance(right, dict):
        assert left.keys() == right.keys(), where
        for key in right:
            assert_same(left[key], right[key], f"{where}[{key!r}]")
    elif isinstance(right, (list, tuple)):
        assert len(left) == len(right), where
        for i, (one, other) in enumerate(zip(left, right)):
            assert_same(one, other, f"{where}[{i}]")
    else:
        np.testing.assert_array_equal(left, right, err_msg=where)


def luminance(colour):
    """Relative luminance of colours, (..., 3) from 0 to 1 or a name, as WCAG 2 defines it."""
    parts = np.asarray(to_rgb(colour) if isinstance(colour, str) else colour)
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return linear @ (0.2126, 0.7152, 0.0722)


def contrast(one, other):
    """Contrast ratio as WCAG 2 defines it, from 1 to 21."""
    lighter = np.maximum(luminance(one), luminance(other))
    darker = np.minimum(luminance(one), luminance(other))
    return (lighter + 0.05) / (darker + 0.05)
