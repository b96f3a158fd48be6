"""Updates that are no pair of factors: LoHa, LoKr, Tucker products, whole differences, experts.

The formulas are those of ComfyUI (comfy/weight_adapter, read at 179c2d35 and 17adbb5c) and of
PEFT 0.21: LoHa is (B1 A1) * (B2 A2), LoKr the Kronecker product of W1 and W2, each of which
may be a product itself, and alpha over the inner side is the scale (1 where there is none).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import numpy as np

from ..lora import factored
from ..lora.scaling import STANDARD
from ..tensorfile import FLOATS, FileError, Tensors, shown
from ..validation import Array
from .modules import (
    FULL,
    HADAMARD,
    KRONECKER,
    LINEAR,
    TUCKER,
    Adapter,
    Module,
    Part,
    Stated,
    check_alpha,
)
from .tensor_names import CAST

_MEMBER = re.compile(
    r"(.+)\.(hada_(?:w[12]_[ab]|t[12])|lokr_(?:w[12](?:_[ab])?|t2)|lora_mid|diff)(?:\.weight)?"
)
#: A Hadamard product of at most this many float64 entries a block of rows is multiplied out.
_BLOCK = 4_000_000


def members(names: Iterable[str]) -> dict[str, dict[str, str]]:
    """Tensors of these structures: {module: {member: name}}, such as hada_w1_a."""
    found: dict[str, dict[str, str]] = {}
    for name in names:
        if match := _MEMBER.fullmatch(name):
            found.setdefault(match[1], {})[match[2]] = name
    return found


def build(
    tensors: Tensors, name: str, keys: Mapping[str, str], scales: Callable[[int], Iterable[Stated]]
) -> Module | None:
    """A module of LoHa, LoKr or a whole difference; None for the difference of a vector.

    Raises FileError if a part is missing or does not fit the others.
    """
    where = f"{shown(tensors.path)}: module {name}"
    shapes = {}
    for member, key in keys.items():
        entry = tensors.entries[key]
        if entry.dtype not in FLOATS:
            raise FileError(
                f"{where}: {key} has type {entry.dtype}; weights must be floats. {CAST}"
            )
        shapes[member] = entry.shape
    if any(0 in shape for shape in shapes.values()):
        raise FileError(f"{where}: {next(iter(keys.values()))} is empty")
    dtype = tensors.entries[next(iter(keys.values()))].dtype
    if "diff" in keys:
        shape = shapes["diff"]
        if len(shape) < 2:
            return None
        d, k = shape[0], math.prod(shape[1:])
        said = Stated("nowhere: a difference is added whole", 1.0, STANDARD, 1)
        return Module(
            name, LINEAR if len(shape) == 2 else f"conv{len(shape) - 2}d", (d, k), min(d, k),
            float(min(d, k)), STANDARD, {"D": Part(keys["diff"])}, dtype,
            kernel=shape[1:] if len(shape) > 2 else (), form=FULL, highest=min(d, k),
            stated=(said,),
        )  # fmt: skip
    loha = any(member.startswith("hada") for member in keys)
    try:
        sides = _loha(keys, shapes) if loha else _lokr(keys, shapes)
    except (KeyError, IndexError, ValueError) as error:
        what = f"{'LoHa' if loha else 'LoKr'} of {', '.join(sorted(keys))}"
        raise FileError(f"{where}: the parts of a {what} do not fit ({shown(error)})") from None
    parts, shape, kernel, inner, highest = sides
    rank = inner or 1
    whole = Stated("nowhere: without an inner side the scale is 1", 1.0, STANDARD, 1)
    stated, alpha, rule = first_scale([*scales(inner)] or [whole], rank, where)
    kind = f"conv{len(kernel) - 1}d" if kernel else LINEAR
    return Module(
        name, kind, shape, rank, alpha, rule, parts, dtype, kernel=kernel,
        form=HADAMARD if loha else KRONECKER,
        highest=min(highest, *shape), stated=stated,
    )  # fmt: skip


_Sides = tuple[dict[str, Part], tuple[int, int], tuple[int, ...], int, int]


def _loha(keys: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]]) -> _Sides:
    parts, outer, ranks, kernel = {}, set(), [], tuple[int, ...]()
    for number in "12":
        a, b, t = f"hada_w{number}_a", f"hada_w{number}_b", f"hada_t{number}"
        turned = t in keys
        parts[f"B{number}"] = Part(keys[a], transposed=turned)
        parts[f"A{number}"] = Part(keys[b])
        d, p = shapes[a][::-1] if turned else shapes[a]
        q, k = shapes[b]
        if turned:
            parts[f"mid{number}"] = Part(keys[t])
            if shapes[t][:2] != (p, q):
                raise ValueError(f"{t} has shape {shapes[t]}")
            kernel = (k, *shapes[t][2:])
            k = math.prod(kernel)
        elif p != q:
            raise ValueError(f"{a} has shape {shapes[a]} and {b} {shapes[b]}")
        outer.add((d, k))
        ranks.append(p)
    ((d, k),) = outer
    return parts, (d, k), kernel, shapes["hada_w1_b"][0], ranks[0] * ranks[1]


def _lokr(keys: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]]) -> _Sides:
    parts, sizes, ranks, kernel, inner = {}, [], [], tuple[int, ...](), 0
    for number in "12":
        w = f"lokr_w{number}"
        if w in keys:
            parts[f"W{number}"] = Part(keys[w])
            d, k = shapes[w][:2]
            rank, tail = 0, shapes[w][2:]
        else:
            turned = number == "2" and "lokr_t2" in keys
            parts[f"W{number}a"] = Part(keys[f"{w}_a"], transposed=turned)
            parts[f"W{number}b"] = Part(keys[f"{w}_b"])
            d, rank = shapes[f"{w}_a"][::-1] if turned else shapes[f"{w}_a"]
            inner, k = shapes[f"{w}_b"]
            tail = ()
            if turned:
                parts["W2mid"] = Part(keys["lokr_t2"])
                tail = shapes["lokr_t2"][2:]
                if shapes["lokr_t2"][:2] != (rank, inner):
                    raise ValueError(f"lokr_t2 has shape {shapes['lokr_t2']}")
            elif rank != inner:
                raise ValueError(f"{w}_a has shape {shapes[f'{w}_a']}, {w}_b {shapes[f'{w}_b']}")
        sizes.append((d, k))
        columns = k * math.prod(tail)
        ranks.append(min(d, columns, rank or d))
        kernel = tail
    d, k = (first * second for first, second in zip(*sizes))
    kernel = (k, *kernel) if kernel else ()
    return parts, (d, math.prod(kernel) if kernel else k), kernel, inner, ranks[0] * ranks[1]


def first_scale(
    stated: Iterable[Stated], rank: int, where: str
) -> tuple[tuple[Stated, ...], float, str]:
    """The places that state a scale, and the first one's as alpha and rule over a module's rank.

    Raises FileError if an alpha is out of range.
    """
    said = tuple(stated)
    for each in said:
        check_alpha(each.alpha, where)
    first = said[0]
    if first.rank == rank:
        return said, first.alpha, first.rule
    return said, first.scale * rank, STANDARD


def with_middle(module: Module, tensors: Tensors, key: str) -> Module:
    """A convolution in three parts: the pair is its first and last, `key` what is between.

    Raises FileError if the middle does not fit.
    """
    shape, r = tensors.entries[key].shape, module.rank
    if len(shape) < 3 or shape[:2] != (r, r) or module.shape[1] != math.prod(module.kernel or (0,)):
        raise FileError(
            f"{shown(tensors.path)}: module {module.name}: {key} of shape {shape} does not fit "
            f"factors of rank {r}"
        )
    kernel = (module.kernel[0], *shape[2:])
    return replace(
        module, form=TUCKER, parts={**module.parts, "mid": Part(key)}, kernel=kernel,
        kind=f"conv{len(kernel) - 1}d", shape=(module.shape[0], math.prod(kernel)),
    )  # fmt: skip


def stacked(A: tuple[int, ...], B: tuple[int, ...], rank: int) -> list[tuple[Part, Part]]:
    """Where the factors of each expert lie, without their keys; none if they are not stacked.

    Either as (experts, r, k) and (experts, d, r), or as PEFT's target_parameters lays them:
    A by experts, (experts r, k), and B's columns by r, (d, r experts).
    """
    if len(A) == len(B) == 3 and A[0] == B[0] and A[1] == B[2] and B[2] * A[0] > 0:
        return [(Part("", (i,)), Part("", (i,))) for i in range(A[0])]
    if rank and len(A) == len(B) == 2 and A[0] == B[1] > rank and A[0] % rank == 0:
        count = A[0] // rank
        return [
            (
                Part("", (slice(i * rank, (i + 1) * rank),)),
                Part("", (slice(None), slice(i, None, count))),
            )
            for i in range(count)
        ]
    return []


def widening_of(adapter: Adapter, module: Module, role: str, rank: int) -> factored.Widening:
    """How the rank of a factor lies in its tensor, which may be a stack of experts."""
    part, axis = module.parts[role], int((role == "B") != module.parts[role].transposed)
    count = adapter.tensors.entries[part.key].shape[axis] // module.rank
    if part.index and isinstance(part.index[0], int):  # (experts, r, k) and (experts, d, r)
        return factored.Widening(axis + 1, 1, module.rank, 1, rank)
    before, after = (1, count) if role == "B" else (count, 1)
    return factored.Widening(axis, before, module.rank, after, rank)


def values(adapter: Adapter, module: Module) -> Array:
    """Singular values of a module's product, without its scale, for a form that is no pair's."""
    if module.form == KRONECKER:
        return factored.kronecker_values(*adapter.halves(module))[: min(module.shape)]
    if module.form == FULL:
        matrix = adapter.part(module, "D").reshape(module.shape).astype(np.float64)
        return np.linalg.svd(matrix, compute_uv=False)
    sides = [*adapter.sides(module, "1"), *adapter.sides(module, "2")]
    B1, A1, B2, A2 = (each.astype(np.float64) for each in sides)
    d, k = module.shape
    if d < k:  # by columns: the sum of squares is then d x d
        B1, A1, B2, A2, d, k = A1.T, B1.T, A2.T, B2.T, k, d
    step = max(1, _BLOCK // k)
    blocks = (
        (B1[i : i + step] @ A1) * (B2[i : i + step] @ A2) for i in range(0, d, step)
    )  # fmt: skip
    found = factored.values_of_rows(blocks, (d, k))
    if found is None:
        raise FileError(
            f"{shown(adapter.path)}: module {module.name}: the update is too large for float64"
        )
    return found
