"""A hub's files agree with each other, and the load test reports what it saw."""

import copy
import json
from types import SimpleNamespace

import pytest

from tools.notebooks import FOLDER
from tools.project import ROOT
from tools.teach import editions
from tools.teach.load import report

yaml = pytest.importorskip("yaml", reason="PyYAML comes with Jupyter, which is not installed here")
lesson = pytest.importorskip("tools.teach.load.lesson", reason="psutil or tornado is not here")
HUB = ROOT / "teaching" / "hub"
THREADS = {f"{name}_NUM_THREADS": "1" for name in ("OPENBLAS", "OMP", "MKL")}


class Settings(SimpleNamespace):
    """Stands for traitlets' configuration: any section is there."""

    def __getattr__(self, name):
        self.__dict__[name] = Settings()
        return self.__dict__[name]


def configured(name, monkeypatch, tmp_path):
    for key, value in {"FOLDER": tmp_path, "PORT": 8000, "PASSWORD": "secret"}.items():
        monkeypatch.setenv(f"HUB_{key}", str(value))
    c = Settings()
    exec((HUB / name).read_text("utf-8"), {"get_config": lambda: c})
    return c


@pytest.mark.parametrize("name", ["jupyterhub_config.py", "tljh_config.py"])
def test_one_thread_a_learner_and_idle_kernels_end(name, monkeypatch, tmp_path):
    c = configured(name, monkeypatch, tmp_path)
    assert THREADS.items() <= c.Spawner.environment.items()
    said = " ".join(c.Spawner.args)
    assert "cull_idle_timeout=600" in said
    assert "cull_connected=True" in said


def test_the_hub_of_the_test_is_for_this_machine_only(monkeypatch, tmp_path):
    c = configured("jupyterhub_config.py", monkeypatch, tmp_path)
    assert c.JupyterHub.ip == "127.0.0.1"
    ports = {c.JupyterHub.port, c.JupyterHub.hub_port, int(c.ConfigurableHTTPProxy.api_url[-4:])}
    assert len(ports) == 3


def test_a_class_that_comes_at_once_is_not_given_up(monkeypatch, tmp_path):
    """JupyterHub gives a server 30 seconds, and turns away what exceeds its limit."""
    values = yaml.safe_load((HUB / "values.yaml").read_text("utf-8"))
    one, other = (
        configured(name, monkeypatch, tmp_path)
        for name in ("jupyterhub_config.py", "tljh_config.py")
    )
    assert one.JupyterHub.concurrent_spawn_limit >= 30
    for spawner in (one.Spawner, other.Spawner):
        assert spawner.http_timeout == spawner.start_timeout == 300
        assert spawner.cmd[1:] == one.Spawner.cmd[1:]
    assert values["singleuser"]["startTimeout"] == 300
    assert values["hub"]["config"]["KubeSpawner"]["http_timeout"] > 30
    assert values["singleuser"]["cmd"][1:] == one.Spawner.cmd[1:]


WRONG = [
    (("singleuser", "memory", "limits"), "1G", "'limits' was unexpected"),
    (("singleuser", "startTimeout"), "300", "'300' is not of type"),
    (("singleuser", "storage", "type"), "empty", "'empty' is not one of"),
    (("hub", "concurrentSpawnlimit"), 64, "'concurrentSpawnlimit' was unexpected"),
    (("singleuser", "extraFiles", "kernels", "path"), "/etc", "'path' was unexpected"),
    (("culling",), {}, "'culling' was unexpected"),
]


def test_the_chart_knows_every_value_and_its_type():
    schema = json.loads((ROOT / "tests/teach/chart.schema.json").read_text("utf-8"))
    validator = pytest.importorskip("jsonschema").Draft7Validator(schema)
    values = yaml.safe_load((HUB / "values.yaml").read_text("utf-8"))
    assert [each.message for each in validator.iter_errors(values)] == []
    for (*places, last), value, said in WRONG:
        broken = at = copy.deepcopy(values)
        for place in places:
            at = at[place]
        at[last] = value
        (found,) = validator.iter_errors(broken)
        assert said in found.message


def test_kubernetes_and_the_littlest_hub_set_the_same_limits():
    values = yaml.safe_load((HUB / "values.yaml").read_text("utf-8"))
    littlest = yaml.safe_load((HUB / "tljh.yaml").read_text("utf-8"))
    user = values["singleuser"]
    assert user["extraEnv"].items() >= THREADS.items()
    assert user["memory"]["limit"] == littlest["limits"]["memory"]
    assert user["cpu"]["limit"] == littlest["limits"]["cpu"]
    (file,) = user["extraFiles"].values()
    assert file["data"]["MappingKernelManager"]["cull_idle_timeout"] == 600
    assert values["cull"]["timeout"] == littlest["services"]["cull"]["timeout"]


def test_the_exercise_that_the_load_test_solves_is_in_its_notebook():
    path = FOLDER / lesson.NOTEBOOK
    assert f'check("{lesson.EXERCISE}"' in path.read_text("utf-8").replace('\\"', '"')
    from helpers import exercises

    assert repr(exercises.check(lesson.EXERCISE, eval(lesson.ANSWER))) == lesson.RIGHT
    assert editions.CHECK.search(f'exercises.check("{lesson.EXERCISE}", {lesson.ANSWER})')


def test_a_row_has_a_cell_for_each_heading_and_counts_failures(tmp_path):
    good = report.Report("a", 2.0, 10, [0.1] * 19 + [0.9], 1, True, 100.0, 100.0)
    bad = report.Report("b", 4.0, 3, [], 0, False, 80.0, 20.0, ["RuntimeError: gone"])
    found = report.summary([good, bad], 60, 130, 0.03, load=7)
    row = report.row(found)
    assert row.count("|") == report.HEAD.splitlines()[0].count("|")
    assert "| 60 s | 150 MB (90 + 60) | 3.0 s (4.0) | 100 ms | 100 ms | 1 | 1 of 2 | 1 |" in row
    stored = tmp_path / "measured.json"
    report.store({**found, "learners": 3}, stored)
    report.store({**found, "failed": 2}, stored)
    report.store(found, stored)
    assert [each["learners"] for each in json.loads(stored.read_text())] == [2, 3]
    said = report.written("<!-- measured -->\nold\n<!-- /measured -->\n", stored)
    assert "old" not in said
    assert row in said
    assert "6 learners a GB, beside 130 MB" in said
    assert "33 learners a core" in said
    assert ("the rows of 2 and 3 learners" in said) is (found["cores"] < 14)


@pytest.mark.parametrize("quick, said", [(95, 100), (94, 700)])
def test_nineteen_of_twenty_pictures_come_within_the_95th_percentile(quick, said):
    moves = [0.7] * (100 - quick) + [0.1] * quick
    assert report.summary([report.Report("a", moves=moves)], 0, 0, 1)["press95"] == said


def test_the_guides_table_is_what_was_measured():
    text = report.README.read_text("utf-8")
    assert text == report.written(text), "run: python -m tools.teach.load.report"


def test_a_cookie_goes_where_its_path_says():
    learner = lesson.Learner("http://127.0.0.1:1", "ada", "secret")
    learner.cookies = {("/hub/", "_xsrf"): "hub", ("/user/ada/", "_xsrf"): "ada", ("/", "who"): "x"}
    assert learner.sent("/hub/login") == {"_xsrf": "hub", "who": "x"}
    assert learner.sent("/user/ada/api") == {"_xsrf": "ada", "who": "x"}
    assert learner.sent("/user/bob/api") == {"who": "x"}
