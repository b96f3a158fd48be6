"""Reading an adapter in whichever of the formats it is.

kohya's sd-scripts write an `.alpha` for each module. Where no place states a scale, s is 1,
that is alpha = rank: networks/merge_lora.py takes the rank as the default, and ComfyUI 1.
Diffusers' metadata (lora_adapter_metadata) has PEFT's settings, for each component of a
pipeline or, from save_lora_adapter, for all. mlx-lm states the scale itself.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ..lora.scaling import STANDARD
from ..tensorfile import FileError, open_file, open_gguf, read_json, shown
from .assembly import assemble, left_out, nothing_read
from .formats import ALPHA, MLX_WEIGHTS
from .modules import Adapter, Finding, Stated
from .peft import CONFIG, WEIGHTS, read_peft
from .scales import CONVENTION, disagreements, in_parts, scales
from .tensor_names import DORA, PREFIX, label, sort_names

#: Formats of other tools, and what makes a file of them that is read here.
_OTHERS = {
    ".nemo": "an archive of NeMo's: export it from there as a Hugging Face PEFT adapter",
    ".npz": "mlx-lm's old format: mlx.core.load it, and mlx.core.save_safetensors what it holds",
}


def read(path: str | Path) -> Adapter:
    """An adapter from a folder of PEFT's or MLX's, or from one file.

    Parameters
    ----------
    path : str or Path
        A folder with adapter_config.json; its weights; or another .safetensors or .gguf
        file: in the names of kohya's sd-scripts, Diffusers, LyCORIS or llama.cpp.

    Raises
    ------
    FileError
        If it is none of these, or damaged. Pickled files are refused unread.

    Examples
    --------
    >>> from helpers.model import shipped
    >>> adapter = read(shipped.DATA / "adapters" / "people")
    >>> adapter.source, len(adapter.modules), adapter.modules[0].rank
    ('peft', 21, 16)
    """
    path = Path(path)
    try:
        path = path.expanduser() if path.parts[:1] == ("~",) and not path.exists() else path
        exists, is_folder = path.exists(), path.is_dir()
    except (OSError, ValueError, RuntimeError):
        exists = is_folder = False
    if not exists:
        hub = len(path.parts) == 2 and not path.suffix and not path.parent.exists()
        hint = ": a name on a hub is not a path, so download it first" if hub else ""
        raise FileError(f"{shown(path)} does not exist{hint}")
    if path.name in (WEIGHTS, MLX_WEIGHTS) and (path.parent / CONFIG).is_file():
        path, is_folder = path.parent, True
    if not is_folder:
        return read_single(path)
    if not (path / CONFIG).is_file():
        raise FileError(f"{shown(path)} has no {CONFIG}{_instead(path)}")
    if (path / MLX_WEIGHTS).exists() and not (path / WEIGHTS).exists():
        return _read_mlx(path)
    return read_peft(path)


def _instead(folder: Path) -> str:
    """What in a folder that is no adapter might be one."""
    others = sorted(each.name for each in folder.glob("*.safetensors"))
    if others:
        return f"; to read a file in it, name the file: {shown(', '.join(others))}"
    deeper = [*folder.glob(f"*/{CONFIG}"), *folder.glob(f"*/*/{CONFIG}")]
    inside = sorted(each.parent.relative_to(folder).as_posix() for each in deeper)
    return f"; it holds {shown(', '.join(inside))}: name one of these folders" * bool(inside)


def read_single(path: Path) -> Adapter:
    """An adapter from one file.

    Raises FileError if the file is damaged, or nothing in it can be read as an update.
    """
    where, suffix = shown(path), path.suffix.lower()
    if suffix in _OTHERS:
        raise FileError(f"{where} is {_OTHERS[suffix]}")
    tensors = open_gguf(path) if suffix == ".gguf" else open_file(path)
    names = sort_names(tensors.entries)
    styles = {each.style for each in names.pairs}
    if any(each.A_key.startswith(PREFIX) for each in names.pairs):
        raise FileError(
            f"{where} holds PEFT's weights, and their scale is not in them: name the folder "
            f"that has {CONFIG} beside them"
        )
    if styles == {"mlx"} and suffix != ".gguf":
        raise FileError(
            f"{where} holds MLX's factors, and their scale is not in them: name the folder that "
            f"has {CONFIG} beside {MLX_WEIGHTS}"
        )
    any_alpha = any(name.endswith(ALPHA) for name in names.left)
    folded = bool(styles) and not styles & {"kohya", "mlx"}
    parts = in_parts(tensors, where)
    stated = partial(scales, tensors, parts, any_alpha, folded)
    modules = assemble(tensors, names, stated)
    if not modules:
        raise FileError(nothing_read(where, names))
    alphas = {f"{each.name}{ALPHA}" for each in modules}
    reasons = {name.rpartition(".lora_")[0]: reason for name, reason in names.odd.items()}
    for name in [each for each in names.left if each.endswith(ALPHA) and each not in alphas]:
        reason = reasons.get(name.removesuffix(ALPHA), "belongs to no module that is read")
        names.odd.setdefault(name, reason)
    left = [name for name in names.left if name not in alphas and name not in names.odd]
    ignored = {name: label(name) for name in left}
    findings = [*left_out(ignored, names.odd), *disagreements(modules)]
    findings += [each for part in parts.values() for each in part.findings]
    wrapped = tuple(each.name for each in names.pairs if "_orig_mod" in each.name)
    if wrapped:
        text = f"{len(wrapped)} names hold '_orig_mod', which no loader knows: copies leave it out."
        findings.append(Finding("dead", text, wrapped))
    if len(styles) > 1:
        text = f"Names of {len(styles)} styles ({', '.join(sorted(styles))}): a loader may take "
        findings.append(Finding("mixed names", f"{text}those of one and ignore the others."))
    without = [each.name for each in modules if each.stated[0].place == CONVENTION]
    if without:
        text = (
            f"{len(without)} of {len(modules)} modules have no alpha: alpha is the rank there, "
            "by this format's convention. Check it with the tool that trained them."
        )
        findings.append(Finding("no alpha", text, tuple(without)))
    source = "kohya" if "kohya" in styles else "diffusers" if styles else "lycoris"
    source = "gguf" if suffix == ".gguf" else source
    return Adapter(
        path, source, tuple(modules), tensors, tensors.metadata, ignored, tuple(findings)
    )


def _read_mlx(folder: Path) -> Adapter:
    """An adapter that mlx-lm trained: its scale stands in the config, its factors transposed."""
    where, config = shown(folder / CONFIG), read_json(folder / CONFIG)
    if config.get("fine_tune_type") == "full":
        raise FileError(
            f"{where}: fine_tune_type is full: {MLX_WEIGHTS} holds whole weights, which "
            "`inspect NEW --against BASE` reads"
        )
    if "alpha" in config and "rank" in config:
        raise FileError(
            f"{where} is mlx-vlm's, whose alpha is the scale itself and whose factors are A and B; "
            "fuse it there, and `extract BASE FUSED OUT` makes an adapter of the difference"
        )
    given = config.get("lora_parameters")
    scale = given.get("scale") if isinstance(given, dict) else None
    if isinstance(scale, bool) or not isinstance(scale, (int, float)):
        raise FileError(f"{where}: lora_parameters must have a scale, got {shown(scale)}")
    tensors = open_file(folder / MLX_WEIGHTS)
    names = sort_names(tensors.entries)

    def stated(_: str, rank: int) -> list[Stated]:
        return [Stated(f"{CONFIG}, scale", float(scale) * (rank or 1), STANDARD, rank or 1)]

    modules = assemble(tensors, names, stated, turned=True)
    if not modules:
        raise FileError(nothing_read(shown(tensors.path), names))
    ignored = {name: DORA if name.endswith(".m") else label(name) for name in names.left}
    findings = left_out(ignored, names.odd)
    return Adapter(folder, "mlx", tuple(modules), tensors, config, ignored, findings)
