"""Rules of the house: which way arrows point, which names there are, what stands where."""

import ast
import re
import subprocess
import sys
from collections import Counter

import pytest

from tests.support import examples
from tools import map as notebook_map
from tools import project

ROOT = project.ROOT
MODULES = [file for file in project.files() if file.is_relative_to(ROOT / "helpers")
           and file.suffix == ".py"]  # fmt: skip
#: What a newcomer sees first. At most 15.
VISIBLE = {
    "CITATION.cff", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "environment.yml",
    "experiments", "helpers", "notebooks", "noxfile.py", "pyproject.toml", "requirements.txt",
    "teaching", "tests", "tools",
}  # fmt: skip


def test_arrows_point_one_way():
    """The contracts in pyproject.toml."""
    pytest.importorskip("importlinter", reason="import-linter is in the group `test`")
    command = "from importlinter.cli import lint_imports_command as run; run()"
    done = subprocess.run(
        [sys.executable, "-c", command, "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_nothing_may_import_is_there():
    """A contract that forbids what does not exist is kept by everybody."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    forbidden = re.findall(r"^forbidden_modules = \[(.+)\]$", text, flags=re.M)
    assert forbidden
    for name in ",".join(forbidden).replace('"', "").replace(" ", "").split(","):
        assert (ROOT / name.replace(".", "/")).is_dir(), name


def test_only_the_ground_is_a_layer_whose_modules_may_import_each_other():
    """Between others stands a bar, which import-linter reads as: neither may."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    layers = re.search(r"^layers = \[\n(.*?)^\]", text, flags=re.M | re.S)[1].splitlines()
    assert [":" in layer for layer in layers] == [*[False] * (len(layers) - 1), True]


def absolute(file):
    """The modules of `helpers` that a file imports by their full names."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.append(node.module or "")
    return [name for name in names if name.split(".")[0] in ("helpers", "lora_rank_lab")]


@pytest.mark.parametrize("file", MODULES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_imports_inside_helpers_are_relative(file):
    assert absolute(file) == []


#: Names in an error that are not those of the value in code: a reader knows these.
SAID_FOR = {
    ("weights", "weight"), ("loader", "name"), ("optimiser", "name"), ("the answer", "answer"),
    ("measured", "value"), ("a point", "value"),
}  # fmt: skip


def test_errors_name_the_argument():
    """What is checked is named as it is in code. All that mutmut let live in `scaling` was this."""
    checked, wrong = 0, []
    for file in MODULES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and len(node.args) > 1
                    and ast.unparse(node.func).startswith("validation.")):  # fmt: skip
                continue
            name, value = node.args[:2]
            said, meant = ast.literal_eval(name), ast.unparse(value).removeprefix("self.")
            if meant.isidentifier():
                checked += 1
                if said != meant and (said, meant) not in SAID_FOR:
                    wrong.append(f"{file.name}:{node.lineno} says {said!r} of {meant}")
    assert checked > 100
    assert wrong == []


def test_one_word_one_room():
    """No name of a module or folder stands twice, except a figure's over what it draws."""
    places = {file.parent if file.name == "__init__.py" else file for file in MODULES}
    places = {place.relative_to(ROOT / "helpers") for place in places} - {
        place.relative_to(ROOT / "helpers") for place in [ROOT / "helpers"]
    }
    figures = {place for place in places if place.parts[0] == "figures" and len(place.parts) > 1}
    for group in (figures, places - figures):
        twice = {stem for stem, n in Counter(place.stem for place in group).items() if n > 1}
        assert twice == set()


def test_the_rooms_of_adapters_can_be_read():
    """At most 12 modules in each, and fewer than 250 lines in a module."""
    mine = [file for file in MODULES if file.is_relative_to(ROOT / "helpers" / "adapters")]
    rooms = Counter(file.parent.name for file in mine)
    assert {name: n for name, n in rooms.items() if n > 12} == {}
    lines = {file.name: len(file.read_text(encoding="utf-8").splitlines()) for file in mine}
    assert {name: n for name, n in lines.items() if n >= 250} == {}


def test_the_root_holds_what_a_newcomer_needs():
    there = {file.relative_to(ROOT).parts[0] for file in project.files()}
    assert {name for name in there if not name.startswith(".")} == VISIBLE
    assert len(VISIBLE) <= 15


def test_every_package_is_in_the_wheel():
    packages = {file.parent.relative_to(ROOT) for file in MODULES if file.name == "__init__.py"}
    names = {".".join(("lora_rank_lab", *package.parts[1:])) for package in packages}
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = text.partition("\npackages = ")[2].partition("\n]")[0] + "]"
    assert set(ast.literal_eval(listed)) == names
    assert {file.parent.relative_to(ROOT) for file in MODULES} == packages


# The notebooks and what they use


def test_the_table_of_notebooks_is_in_step():
    """Written by `python -m tools.map`; a notebook, module, figure or test that goes is missed."""
    assert notebook_map.written() == notebook_map.PATH.read_text(encoding="utf-8")


def functions():
    """The functions of `helpers` that notebooks call, by their full names."""
    found = {}
    for path in notebook_map.notebooks():
        found |= notebook_map.called(path)
    return dict(sorted(found.items()))


FUNCTIONS = functions()
#: Modules whose docstrings have examples, but for those whose results are widgets.
WITH_EXAMPLES = [
    ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for file in MODULES
    if ">>> " in file.read_text(encoding="utf-8") and file.stem not in ("explorers", "__main__")
]


def test_every_function_that_a_notebook_calls_has_an_example():
    docstrings = {name: function.__doc__ or "" for name, function in FUNCTIONS.items()}
    assert [name for name, text in docstrings.items() if ">>>" not in text] == []


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_the_examples_of_a_module_run_and_give_what_they_say(name):
    assert examples.failures(examples.of(name)) == ""
