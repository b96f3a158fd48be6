"""nbgrader takes the edition made for it: release, collect, autograde (`nox -s nbgrader`)."""

import csv
import shutil
import subprocess

import pytest

from tests.support.notebooks import PATHS, load
from tools.project import ROOT
from tools.teach import editions

pytestmark = pytest.mark.skipif(
    shutil.which("nbgrader") is None, reason="nbgrader is not installed: nox -s nbgrader"
)
CONFIG = """c = get_config()
c.CourseDirectory.course_id = "rank"
"""


def test_a_solved_notebook_gets_all_points_and_an_empty_one_none(tmp_path, monkeypatch):
    path = next(path for path in PATHS if path.name.startswith("04"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "nbgrader_config.py").write_text(CONFIG)
    (source,) = editions.write([path], tmp_path / "made", only="nbgrader")
    place = tmp_path / "source" / "ranks" / path.name
    place.parent.mkdir(parents=True)
    shutil.copy(source, place)

    def nbgrader(*arguments):
        subprocess.run(["nbgrader", *arguments], check=True, capture_output=True, timeout=300)

    nbgrader("generate_assignment", "ranks")
    released = tmp_path / "release" / "ranks" / path.name
    text = released.read_text(encoding="utf-8")
    assert "raise NotImplementedError()" in text
    assert editions.BEGIN not in text
    for name, answered in (("ada", place), ("bob", released)):
        submitted = tmp_path / "submitted" / name / "ranks" / path.name
        submitted.parent.mkdir(parents=True)
        shutil.copy(answered, submitted)
    nbgrader("autograde", "ranks")
    nbgrader("export")
    points = sum("exercise" in cell.metadata.get("tags", []) for cell in load(path).cells)
    with open("grades.csv", newline="", encoding="utf-8") as file:
        scores = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert scores == {"ada": points, "bob": 0}
