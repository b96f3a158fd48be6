"""What the verbs do: read from make's own dry run, and what CI calls."""

import re
import shutil
import subprocess

import pytest

from tools import project
from tools.map import notebooks

ROOT = project.ROOT

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="make is not installed here")


def recipe(*verb):
    """The commands that a verb would run, without what readies its environment."""
    done = subprocess.run(["make", "-n", *verb], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_make_test_lints_runs_the_units_and_every_notebook():
    said = recipe("test")
    for command in ("ruff check .", "ruff format --check .", "-m mypy", "importlinter"):
        assert command in said, command
    units = next(line for line in said.splitlines() if "worksteal tests" in line)
    left_out = re.findall(r"--ignore=(\S+)", units)
    assert left_out == ["tests/browser", "tests/site"]
    assert re.findall(r' -m (".*?"|\S+)', units) == ["pytest", '"not project"']
    stored = next(line for line in said.splitlines() if "--nbval " in line)
    assert "--nbval-lax" not in stored
    assert stored.split("--dist=loadfile ")[1].split() == [
        path.relative_to(ROOT).as_posix() for path in notebooks()
    ]


@pytest.mark.parametrize(
    "verb, said",
    [
        ("test-project", "tests/tools -m project"),
        ("lab", "jupyterlab  notebooks/01_setup.ipynb"),
        ("test-browser", "tests/browser"),
        ("test-site", "tests/site"),
        ("test-oracles", "tests/oracles"),
        ("test-versions", "nox -s threads oldest"),
        ("test-colab", "nox -s colab"),
        ("test-binder", "tests/tools/test_binder.py"),
        ("site", "tools.site.build --pyodide cdn"),
        ("refresh", "tools.notebooks refresh"),
        ("teach", "tools.teach"),
    ],
)
def test_a_verb_does_what_help_says(verb, said):
    assert said in recipe(verb).replace("--allow-root", "")
    assert re.search(rf'^\t@echo "make {verb} ', (ROOT / "Makefile").read_text("utf-8"), re.M)


def test_ci_runs_every_verb_that_tests():
    text = (ROOT / "Makefile").read_text("utf-8")
    tests = {"test", *re.findall(r"^(test-\w+):", text, flags=re.M)}
    inside = {"test-unit", "test-notebooks"}  # of `make test`
    ci = (ROOT / ".ci" / "run").read_text("utf-8")
    assert set(re.findall(r"^part (test\S*)$", ci, flags=re.M)) == tests - inside
    assert ci.splitlines()[2] == "set -euo pipefail"
    # What goes on beside others is waited for, and its failure is CI's.
    assert set(re.findall(r"^(\w+)=\$!$", ci, re.M)) == set(
        re.findall(r'^wait "\$(\w+)" \|\| \{ .*exit 1; \}$', ci, re.M)
    )


def test_workflows_run_units_notebooks_and_ci():
    text = (ROOT / ".github" / "workflows" / "checks.yml").read_text("utf-8")
    assert text.count("-m pytest -q tests --ignore=tests/browser --ignore=tests/site") == 2
    assert (
        text.count("-m pytest --nbval --nbval-cell-timeout=120 -p no:cacheprovider -q notebooks")
        == 2
    )
    assert re.search(r"^ +bash \.ci/run$", text, flags=re.M)
    for name in ("push", "pull_request", "schedule"):
        assert re.search(rf"^  {name}:", text, flags=re.M), name


def test_commands_that_are_written_down_exist():
    """`make VERB` in README and CONTRIBUTING, and modules behind `python -m`."""
    verbs = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), flags=re.M))
    for name in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / name).read_text("utf-8")
        asked = set(re.findall(r"(?:`|^)make ([a-z][\w-]*)", text, flags=re.M))
        assert asked <= verbs, (name, asked - verbs)
        for module in re.findall(r"python3? -m ((?:tools|helpers|tests|experiments)[\w.]*)", text):
            place = ROOT / module.replace(".", "/")
            assert place.with_suffix(".py").is_file() or (place / "__main__.py").is_file(), module
        for path in re.findall(
            r"`((?:tools|helpers|tests|notebooks|experiments|\.ci)/[\w./]+)`", text
        ):
            assert (ROOT / path).exists() or path.startswith("build/"), f"{name}: {path}"


def test_readme_states_the_python_that_is_required():
    lowest = re.search(
        r'^requires-python = ">=(\S+)"', (ROOT / "pyproject.toml").read_text("utf-8"), re.M
    )
    assert f"Python {lowest[1]} or newer" in (ROOT / "README.md").read_text("utf-8")
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert f"sys.version_info < ({lowest[1].replace('.', ', ')})" in makefile
    assert set(re.findall(r"name a Python from (\S+) on", makefile)) == {lowest[1]}
    assert f'target-version = "py{lowest[1].replace(".", "")}"' in (
        ROOT / "pyproject.toml"
    ).read_text("utf-8")


def test_readme_names_the_commands_on_adapters():
    from helpers.adapters import __main__ as rank_lab

    (said,) = re.findall(
        r"-m helpers\.adapters --help +# (.+)", (ROOT / "README.md").read_text(encoding="utf-8")
    )
    (verbs,) = (each.choices for each in rank_lab._parser()._actions if each.choices)
    first, *others = verbs
    assert first == "inspect", "which has a line of its own"
    assert said.split(", ") == others
