"""A hub's files agree with each other, and the load test reports what it saw."""

import re
from types import SimpleNamespace

import pytest

from tools.notebooks import FOLDER
from tools.project import ROOT
from tools.teach import editions

yaml = pytest.importorskip("yaml", reason="PyYAML comes with Jupyter, which is not installed here")
load = pytest.importorskip("tools.teach.load", reason="psutil or tornado is not installed here")
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
    path = FOLDER / load.NOTEBOOK
    assert f'check("{load.EXERCISE}"' in path.read_text("utf-8").replace('\\"', '"')
    from helpers import exercises

    assert repr(exercises.check(load.EXERCISE, eval(load.ANSWER))) == load.RIGHT
    assert editions.CHECK.search(f'exercises.check("{load.EXERCISE}", {load.ANSWER})')


def test_a_row_of_the_table_has_a_cell_for_each_heading_and_counts_failures():
    good = load.Report("a", 2.0, 10, [0.1] * 19 + [0.9], True, 200.0)
    bad = load.Report("b", 4.0, 3, [], False, 100.0, ["RuntimeError: gone"])
    row = load.table([good, bad])
    assert row.count("|") == load.HEAD.splitlines()[0].count("|")
    assert "150 MB" in row
    assert "100 ms | 900 ms" in row
    assert re.search(r"1 of 2 \| 1 \|$", row)


def test_a_cookie_goes_where_its_path_says():
    learner = load.Learner("http://127.0.0.1:1", "ada", "secret")
    learner.cookies = {("/hub/", "_xsrf"): "hub", ("/user/ada/", "_xsrf"): "ada", ("/", "who"): "x"}
    assert learner.sent("/hub/login") == {"_xsrf": "hub", "who": "x"}
    assert learner.sent("/user/ada/api") == {"_xsrf": "ada", "who": "x"}
    assert learner.sent("/user/bob/api") == {"who": "x"}
