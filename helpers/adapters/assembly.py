"""From the names of tensors to modules: what fits is read, and what does not is named."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from ..tensorfile import FLOATS, FileError, Tensors, shown
from .modules import GROUPED, LINEAR, PAIR, Finding, Module, Part, Stated
from .structures import build, first_scale, members, stacked, with_middle
from .tensor_names import CAST, DORA, EMPTY, ODD, PREFIX, WHOLE, WRAPPED, Names, Pair, label

#: What a format states of a module's scale, from its full name and its rank.
Scales = Callable[[str, int], Iterable[Stated]]


def assemble(
    tensors: Tensors,
    names: Names,
    scales: Scales,
    rename: Callable[[str], str] = str,
    rank_of: Callable[[str], int] | None = None,
    turned: bool = False,
    transposed: bool = False,
) -> list[Module]:
    """The modules of a file. What does not fit goes to `names.odd`, and what is used is not left.

    Parameters
    ----------
    scales
        From a module's full name and its rank: the places that state its scale.
    rename
        From the name in the file to that in the base model.
    rank_of
        The rank of a stack of experts in two dimensions, by the full name; 0 for what is none.
    turned : bool
        Whether A is stored as (k, r) and B as (r, d).
    transposed : bool
        Whether linear base weights are stored as (inputs, outputs).
    """
    modules: dict[str, Module] = {}
    groups = members(names.left)

    def add(module: Module) -> None:
        if module.name in modules:
            raise FileError(f"{shown(tensors.path)}: module {module.name} is there twice")
        modules[module.name] = module

    for pair in names.pairs:
        keys = (pair.A_key, pair.B_key)
        name, middle = rename(pair.name), groups.pop(pair.name, {})
        try:
            A, B = (tensors.entries[key].shape for key in keys)
            experts = stacked(A, B, rank_of(pair.name) if rank_of else 0)
            rank = A[-1] if turned and len(A) == 2 else next(iter(A), 0)
            for i, parts in enumerate(experts):
                named = tuple(replace(part, key=key) for part, key in zip(parts, keys))
                said = scales(pair.name, A[1] if len(A) == 3 else A[0] // len(experts))
                add(make_module(tensors, pair, f"{name}.{i}", said, parts=(named[0], named[1])))
            if not experts:
                both = tuple(Part(key, transposed=turned) for key in keys)
                module = make_module(
                    tensors, pair, name, scales(pair.name, rank),
                    transposed and pair.kind == LINEAR, (both[0], both[1]),
                )  # fmt: skip
                add(with_middle(module, tensors, middle["lora_mid"]) if middle else module)
        except (FileError, KeyError) as error:
            reason = str(error).removeprefix(f"{shown(tensors.path)}: ")
            names.odd |= dict.fromkeys((*keys, *middle.values()), reason)
    for name, keys_of in groups.items():
        try:
            module_or_none = build(tensors, rename(name), keys_of, partial(scales, name))
            if module_or_none is None:
                continue
            add(module_or_none)
        except FileError as error:
            reason = str(error).removeprefix(f"{shown(tensors.path)}: ")
            names.odd |= dict.fromkeys(keys_of.values(), reason)
    used = {part.key for module in modules.values() for part in module.parts.values()}
    names.left = [name for name in names.left if name not in used and name not in names.odd]
    for name in names.left:
        if 0 in tensors.entries[name].shape:
            names.odd[name] = EMPTY
    names.left = [name for name in names.left if name not in names.odd]
    return list(modules.values())


def make_module(
    tensors: Tensors,
    pair: Pair,
    name: str,
    stated: Iterable[Stated],
    transposed: bool = False,
    parts: tuple[Part, Part] | None = None,
) -> Module:
    """A module from its two factors, once their shapes fit.

    Parameters
    ----------
    stated : iterable of Stated
        The places that state the scale; the first one counts.
    parts : (Part, Part), optional
        Where A and B lie, if they are not whole tensors.

    Raises
    ------
    FileError
        If the factors' types are not floats, their shapes do not fit each other
        or the kind of module, or alpha is out of range.
    """
    where = f"{shown(tensors.path)}: module {name}"
    places = parts or (Part(pair.A_key), Part(pair.B_key))
    for key in (pair.A_key, pair.B_key):
        dtype = tensors.entries[key].dtype
        if dtype not in FLOATS:
            raise FileError(
                f"{where}: {key} has type {dtype}; weights must be one of {', '.join(FLOATS)}. "
                f"{CAST}"
            )
    A, B = (_shape(tensors.entries[each.key].shape, each) for each in places)
    axes, kind = len(A), pair.kind
    fits = axes == len(B) and 2 <= axes <= 5 and 0 not in A + B
    # PEFT's A sees all inputs of a convolution in groups, and a group of B its share of A's rows.
    groups = A[0] // B[1] if fits and axes > 2 and A[0] % B[1] == 0 else 1
    grouped = groups > 1 and B[0] % groups == 0
    if not fits or (B[1] != A[0] and not grouped) or any(side != 1 for side in B[2:]):
        raise FileError(
            f"{where}: A of shape {A} and B of shape {B} do not fit; allowed are "
            "(r, k) and (d, r), or for a convolution (r, inputs, kernel) and (d, r, 1), with every "
            "side at least 1"
        )
    rank, k = A[0], math.prod(A[1:])
    said, alpha, rule = first_scale(stated, rank, where)
    if axes > 2:
        kind, transposed = f"conv{axes - 2}d", False
    return Module(
        name, kind, (B[0], k), rank, alpha, rule,
        dict(zip("AB", places)), tensors.entries[pair.A_key].dtype,
        kernel=A[1:] if axes > 2 else (), transposed=transposed, highest=rank, stated=said,
        form=GROUPED if grouped else PAIR,
    )  # fmt: skip


def _shape(shape: tuple[int, ...], part: Part) -> tuple[int, ...]:
    """The shape of a part of a tensor; nothing is read."""
    if part.index:
        shape = np.broadcast_to(np.empty(()), shape)[part.index].shape
    return shape[::-1] if part.transposed else shape


def left_out(ignored: Mapping[str, str], odd: Mapping[str, str]) -> tuple[Finding, ...]:
    """A finding for each kind of tensor that is in no spectrum, and for what could not be read."""
    found = []
    for kind in dict.fromkeys(ignored.values()):
        names = tuple(name for name, each in ignored.items() if each == kind)
        text = f"Not in any spectrum: {kind}, {len(names)} tensor{'s' * (len(names) > 1)}."
        found.append(Finding("left out", text, names))
    for reason in dict.fromkeys(odd.values()):
        names = tuple(name for name, each in odd.items() if each == reason)
        text = f"Not read: {_about(names[0], shown(reason, 400))}"
        if reason == EMPTY:
            text = (
                f"{len(names)} tensor{'s are' if len(names) > 1 else ' is'} {EMPTY}. Loaders take "
                "nothing from them: gather the weights in training, and save again."
            )
        found.append(Finding("dead" if reason == EMPTY else "odd", text, names))
    if DORA in ignored.values():
        text = "DoRA rescales the sum of weight and update: the spectra are of B A alone."
        found.append(Finding("dora", text))
    return tuple(found)


def _about(name: str, reason: str) -> str:
    """A reason, with the tensor in front where it does not begin with a name itself."""
    return reason if reason.startswith(("module ", "tensor ")) else f"tensor {name} {reason}"


def nothing_read(where: str, names: Names) -> str:
    """Why a file has no module that can be read, in one line."""
    odd = names.odd
    if odd and set(odd.values()) == {EMPTY}:
        return (
            f"{where} is dead: its {len(odd)} tensors are {EMPTY}. Gather the weights in "
            "training, and save again"
        )
    for name, reason in odd.items():
        return f"{where}: {_about(name, reason)}"
    for name in names.left:
        if (kind := label(name)) not in (WHOLE, ODD):
            return f"{where} holds no update that is read, but {shown(name)} ({kind})"
    return (
        f"{where} holds no LoRA factors. Is it a whole model? `inspect PATH --against BASE` reads "
        "what changed, and `extract BASE PATH OUT` makes an adapter of it"
    )


def dead(pairs: Sequence[Pair]) -> Iterator[Finding]:
    """What PEFT matches with nothing: it loads such a file with a warning, and does nothing."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for each in pairs:
        key, why = each.A_key, None
        inner = key.removeprefix(PREFIX)
        if not each.style.startswith("peft"):
            why = f"they are in {each.style}'s names", "convert the file"
        elif not key.startswith(PREFIX):
            front = key.partition(PREFIX)[0]
            cure = f"take {front!r} from the front of each" if PREFIX in key else f"add {PREFIX!r}"
            why = f"names must begin with {PREFIX!r}", cure
        elif PREFIX in inner:
            why = f"{PREFIX!r} is there twice", f"take {PREFIX!r} from the front of each"
        elif WRAPPED.search(inner):
            why = "they hold what compiling or distributing put there", "take it out of the names"
        elif not key.endswith((".lora_A.weight", ".lora_embedding_A")):
            infix = re.search(r"\.lora_(?:embedding_)?A\.([^.]+)(?:\.weight)?$", key)
            why = ("they end otherwise than in .lora_A.weight", "add .weight")
            if infix:
                name = f"unless it loads them under the name {infix[1]!r}, which they hold"
                why = (name, "take the adapter's name out")
        if why:
            reasons.setdefault(why, []).append(each.name)
    for (reason, cure), names in reasons.items():
        text = (
            f"{len(names)} of {len(pairs)} modules are dead in PEFT, which loads them into nothing "
            f"({reason}; the first is {shown(names[0])}). To mend it, {cure}."
        )
        yield Finding("dead", text, tuple(names))
