"""Files that must agree with one another: requirements, versions, address."""

import re
from pathlib import Path

import numpy as np
import pytest

from helpers import environment
from helpers.model import results
from tools import address, notebooks

ROOT = Path(__file__).parent.parent


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def lower_ends(text):
    """Package to lowest version, from `numpy>=1.26` on a line or in quotes; the first counts."""
    found = re.findall(r"""(?:^|")([a-z-]+)>=([\d.]+)""", text, flags=re.M)
    return dict(reversed(found))


def test_environment_yml_takes_its_packages_from_requirements_txt():
    listed = re.findall(r"^\s+- (.+)$", text_of("environment.yml"), flags=re.M)
    assert listed == ["conda-forge", "python=3.12", "pip", "pip:", "-r requirements.txt"]


def test_lower_ends_agree():
    required = lower_ends(text_of("requirements.txt"))
    assert {name: required[name] for name in environment.NEEDED} == environment.NEEDED
    packaged = lower_ends(text_of("pyproject.toml"))
    assert {name: packaged[name] for name in environment.NEEDED} == environment.NEEDED
    pinned = dict(re.findall(r"^([a-z-]+)==([\d.]+)$", text_of("tests/versions/oldest.txt"), re.M))
    for name, lowest in environment.NEEDED.items():
        assert pinned[name].startswith(lowest)


def test_the_address_is_quoted_as_it_stands():
    assert address.main(["--check"]) == 0


def test_bootstrap_and_navigation_are_in_step():
    before = {path: path.read_bytes() for path in notebooks.EVERY}
    assert notebooks.sync() == []
    assert before == {path: path.read_bytes() for path in notebooks.EVERY}


@pytest.mark.parametrize("bad", ["", "owner", "a/b/c", "https://github.com/a/b", "o wner/name"])
def test_a_bad_address_changes_nothing(bad, capsys):
    before = text_of("pyproject.toml")
    assert address.main([bad]) == 2
    assert "owner/name" in capsys.readouterr().err
    assert text_of("pyproject.toml") == before


def test_the_readme_quotes_what_was_measured():
    """Notebook 10's figures, means over the seeds."""
    text = " ".join(text_of("README.md").split())
    cut, read = (results.adapter("people", side) for side in ("ranks", "scales"))
    kept = cut.mean("facts")[list(cut.at).index(1)]
    whole, weak = (read.mean("facts")[list(read.at).index(s)] for s in (1.0, 0.25))
    trained = results.trained("100")
    held = trained.mean("facts")[list(trained.at).index(1)]
    assert f"has {100 * weak:.0f} % of the facts that it had all of" in text
    assert whole > 0.995
    assert read.mean("style")[list(read.at).index(0.25)] > 0.995
    assert f"from rank 16 to 1 kept {100 * kept:.0f} % of the facts" in text
    assert f"trained at rank 1 held {100 * held:.0f} %" in text
    at = {"cut": list(cut.at).index(8), "trained": list(trained.at).index(8)}
    assert cut.mean("facts")[at["cut"]] > 0.995
    assert cut.mean("known")[at["cut"]] > trained.mean("known")[at["trained"]] + 0.1
    ranks = [np.mean(results.adapter_spectrum(n)["effective"]) for n in ("people", "crowd")]
    assert f"nearly the same, {ranks[0]:.1f} and {ranks[1]:.1f} of 16" in text
