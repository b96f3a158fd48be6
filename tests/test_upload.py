"""An adapter that is dropped or named: both shapes of ipywidgets, bad files, the copy home."""

import base64
import io
import os
import re
import sys
import zipfile
from contextlib import contextmanager
from pathlib import Path

import ipywidgets as widgets
import pytest

from helpers import adapters, upload
from helpers.model import shipped
from helpers.tensorfile import FileError
from tests.support.adapters import peft_folder


@pytest.fixture(scope="module")
def people():
    return shipped.adapter("people")


@pytest.fixture(scope="module")
def files(people):
    return {name: (people.path / name).read_bytes() for name in upload.FOLDER}


def as_8(files):
    """As ipywidgets 8 hands over files: a tuple, contents as memory views."""
    return tuple(
        {"name": name, "type": "", "size": len(content), "content": memoryview(content)}
        for name, content in files.items()
    )


def as_7(files):
    """As ipywidgets 7 does: a mapping from names."""
    return {
        name: {"metadata": {"name": name, "size": len(content)}, "content": content}
        for name, content in files.items()
    }


@pytest.fixture(params=[as_7, as_8], ids=["ipywidgets 7", "ipywidgets 8"])
def dropped(request):
    """A place into which files are dropped in one of the two shapes."""
    drop = upload.Drop()

    def put(files):
        drop._dropped({"new": request.param(files)})
        return drop

    return put


_WATCHING = []


def _audited(event, given):
    """What a hook is told cannot be taken back, so it looks whether anybody is watching."""
    for seen in _WATCHING:
        if event == "open" and isinstance(given[0], (str, bytes, os.PathLike)):
            if given[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                seen["written"].append(Path(os.fsdecode(given[0])).resolve())
        elif event.startswith(("socket.", "subprocess.", "os.system", "os.exec", "os.posix_spawn")):
            seen["left"].append((event, given))


sys.addaudithook(_audited)


@contextmanager
def watched():
    """Files that are opened to be written, and whatever else reaches out of the process."""
    seen = {"written": [], "left": []}
    _WATCHING.append(seen)
    try:
        yield seen
    finally:
        _WATCHING.remove(seen)


def saved(drop):
    """The archive behind the link."""
    (found,) = re.findall(r'href="data:application/zip;base64,([^"]+)"', drop.said)
    return zipfile.ZipFile(io.BytesIO(base64.b64decode(found)))


def test_a_peft_folder_is_read_judged_and_mended(dropped, files, people, tmp_path):
    drop = dropped(files)
    assert [m.name for m in drop.adapter.modules] == [m.name for m in people.modules]
    assert "Applied at 0.25 times the trained scale by SGLang" in drop.said
    assert "99 % of the energy takes between 9 and 15 components" in drop.said
    saved(drop).extractall(tmp_path / "home")
    copy = adapters.read(tmp_path / "home")
    assert all(each.fits for each in adapters.checks(copy))


def test_nothing_of_it_leaves_the_kernel(dropped, files):
    """Python's own audit sees no connection, no other program, and no file but its own."""
    with watched() as seen:
        drop = dropped(files)
    assert "mended-adapter.zip" in drop.said
    own = [Path(folder.name).resolve() for folder in upload._scratch]
    assert seen["written"]
    assert all(set(own) & set(path.parents) for path in seen["written"])
    assert seen["left"] == []


def test_folders_in_a_name_are_left_out(dropped, files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {f"../{upload.FOLDER[0]}": files[upload.FOLDER[0]],
             rf"C:\tmp\{upload.FOLDER[1]}": files[upload.FOLDER[1]]}  # fmt: skip
    drop = dropped(names)
    assert drop.adapter is not None
    assert list(tmp_path.iterdir()) == list(tmp_path.parent.glob("*.json")) == []


@pytest.mark.parametrize(
    "change, said",
    [
        (lambda f: {"model.ckpt": b"x"}, "model.ckpt: an adapter is a .safetensors file"),
        (lambda f: {"..safetensors": b"x"}, "an adapter is a .safetensors file"),
        (lambda f: {upload.FOLDER[1]: f[upload.FOLDER[1]]}, "drop adapter_config.json together"),
        (lambda f: {upload.FOLDER[0]: b"{}"}, "one .safetensors file is asked for, got 0"),
        (lambda f: {**f, "b.safetensors": b"x"}, "one .safetensors file is asked for, got 2"),
        (lambda f: {**f, upload.FOLDER[1]: f[upload.FOLDER[1]][:99]}, "cut short"),
        (lambda f: {**f, upload.FOLDER[0]: b"{"}, "adapter_config.json"),
        (lambda f: {"<b>.safetensors": b"x" * 99}, "&lt;b&gt;.safetensors"),
    ],
)
def test_a_bad_file_gets_one_line_and_the_last_good_one_stays(dropped, files, change, said):
    drop = dropped(files)
    good = drop.adapter
    drop = dropped(change(files))
    assert drop.adapter is good
    assert drop.said.startswith("<p><b>Not read:</b> ")
    assert said in drop.said
    assert "\n" not in drop.said
    assert "rank-lab-" not in drop.said  # the kernel's own folder


def test_one_that_needs_no_mending_says_so(dropped, people, tmp_path):
    copy = adapters.bake(people, tmp_path / "baked")
    drop = dropped({name: (copy.path / name).read_bytes() for name in upload.FOLDER})
    assert "No copy: " in drop.said
    assert "nothing to bake" in drop.said
    assert "Applied as trained by" in drop.said


@pytest.mark.parametrize("sent, said", [
    ([{"name": f"{'ü' * 200}.safetensors", "content": b""}], "OSError, "),
    ([{"name": "a.safetensors"}], "KeyError, "),
], ids=["a name that no file here may have", "no content"])  # fmt: skip
def test_what_cannot_be_kept_is_said(sent, said):
    """It went into a log, and what stood there before seemed to be the answer."""
    drop = upload.Drop()
    drop._dropped({"new": sent})
    assert drop.said.startswith(f"<p><b>Not read:</b> {said}")
    assert len(drop.said) < 400


def test_a_single_file(dropped, tmp_path):
    source = next(iter(shipped.adapter("style").path.glob("*.safetensors")))
    drop = dropped({"kohya.safetensors": source.read_bytes()})
    # PEFT's names without its settings: read or refused, and said in one line either way.
    assert drop.said.startswith(("<div", "<p><b>Not read:"))


def test_a_copy_that_a_loader_refuses_for_another_reason_is_not_called_right(tmp_path, people):
    wide = [("model.layers.0.q_proj", "linear", (32, 40), (40, 32))]
    folder = peft_folder(tmp_path / "wide", modules=wide, r=32, target_modules=["q_proj"])
    said = upload.mended(adapters.read(folder))
    assert "still vLLM 0.33.0 and vLLM 0.31.0 will not apply it as trained;" in said
    assert "all of these loaders apply what was trained.</p>" in upload.mended(people)


def test_what_is_too_large_for_a_link_is_not_put_into_the_page(people, monkeypatch):
    monkeypatch.setattr(upload, "LARGEST", 1000)
    assert "too large for a link" in upload.mended(people)
    assert "base64" not in upload.mended(people)


def test_a_path(people):
    drop = upload.Drop()
    assert drop.named(None) is None
    assert drop.said == ""
    assert drop.named(people.path).config == people.config
    assert drop.named("no/such").config == people.config
    assert "no/such does not exist" in drop.said


def test_the_button_takes_several_files_of_both_kinds():
    drop = upload.Drop()
    (button,) = (each for each in drop.widget.children if isinstance(each, widgets.FileUpload))
    assert button.multiple
    assert ".safetensors" in button.accept
    assert ".json" in button.accept


def test_an_error_names_no_file_of_ours(tmp_path):
    with pytest.raises(FileError, match=r"^a\.bin: "):
        upload.written({"a.bin": b""})
