"""What notebook 01 says of the environment that it runs in."""

from importlib.metadata import Distribution

import pytest

from helpers import environment


def test_it_has_what_is_needed():
    rows = environment.check().rows
    assert {row[0] for row in rows} == set(environment.NEEDED)
    assert all(row[2] == "ok" for row in rows)


def test_it_says_what_is_missing_or_too_old(monkeypatch):
    installed = {"numpy": "1.9.3", "matplotlib": "3.10.0rc1", "ipywidgets": "7.7.1"}

    def version(name):
        if name not in installed:
            raise environment.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(environment, "version", version)
    said = {row[0]: row[2] for row in environment.check().rows}
    assert said == {
        "numpy": "too old (1.9.3): pip install --upgrade numpy",
        "matplotlib": "ok",
        "ipywidgets": "ok",
        "pillow": "missing: pip install pillow",
    }


def scripts(folder, *names):
    """A stand-in for the package of the widgets' scripts, which lists these."""
    names = [f"../share/jupyter/labextensions/{name}" for name in names]
    record = folder / "lib" / "x.dist-info" / "RECORD"
    record.parent.mkdir(parents=True)
    record.write_text("".join(f"{name},,\n" for name in names))
    return lambda name: Distribution.at(record.parent)


def verdict():
    (row,) = (row for row in environment.check().rows if row[0] == "ipywidgets")
    return row[2]


def test_it_says_when_sliders_would_not_appear(monkeypatch, tmp_path):
    names = ["package.json", "static/remoteEntry.js"]
    monkeypatch.setattr(environment, "distribution", scripts(tmp_path, *names))
    # From Python 3.12 on, none that is missing is among them.
    monkeypatch.setattr(Distribution, "files", [])
    for name in names:
        assert verdict().startswith("no sliders without its scripts: pip install")
        file = tmp_path / "share" / "jupyter" / "labextensions" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    assert verdict() == "ok"


@pytest.mark.parametrize("there", [True, False])
def test_a_package_that_lists_no_files_is_looked_for_in_its_usual_place(
    monkeypatch, tmp_path, there
):
    monkeypatch.setattr(environment, "distribution", scripts(tmp_path))
    monkeypatch.setattr(environment.sys, "prefix", str(tmp_path))
    if there:
        usual = tmp_path / "share/jupyter/labextensions/@jupyter-widgets/jupyterlab-manager"
        usual.mkdir(parents=True)
        (usual / "package.json").touch()
    assert (verdict() == "ok") is there


def test_without_jupyterlab_something_else_shows_them(monkeypatch):
    def distribution(name):
        raise environment.PackageNotFoundError(name)

    monkeypatch.setattr(environment, "distribution", distribution)
    assert verdict() == "ok"
