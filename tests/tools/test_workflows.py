"""What the workflows may do, and with whose code: read from their files."""

import re

import pytest

from tools.project import ROOT

yaml = pytest.importorskip("yaml", reason="PyYAML comes with Jupyter, which is not installed here")
PATHS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


@pytest.fixture(params=PATHS, ids=lambda path: path.name)
def path(request):
    return request.param


def jobs(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))["jobs"]


def test_an_action_is_named_by_its_commit(path):
    for line in re.findall(r"uses: (.*)", path.read_text(encoding="utf-8")):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}  # v\d+\.\d+\.\d+", line), line


def test_no_workflow_may_write_by_default(path):
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert content["permissions"] in ({}, {"contents": "read"})
    # YAML 1.1 reads the key `on` as a truth value.
    assert "pull_request_target" not in (content.get("on") or content[True])


def test_only_publishing_may_write_and_it_runs_nothing_of_ours(path):
    for name, job in jobs(path).items():
        writes = [key for key, value in job.get("permissions", {}).items() if value == "write"]
        if not writes:
            continue
        assert (path.name, name) == ("pages.yml", "publish")
        assert sorted(writes) == ["id-token", "pages"]
        assert [step for step in job["steps"] if "run" in step] == []


def test_no_checkout_keeps_its_credentials(path):
    for job in jobs(path).values():
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_every_job_has_an_end(path):
    assert all(job["timeout-minutes"] <= 60 for job in jobs(path).values())


def test_what_is_tried_ahead_of_its_release_turns_nothing_red():
    job = jobs(ROOT / ".github" / "workflows" / "weekly.yml")["ahead"]
    assert all(step.get("continue-on-error") for step in job["steps"] if "pytest" in str(step))


def test_updates_are_proposed():
    content = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))
    assert {each["package-ecosystem"] for each in content["updates"]} == {"github-actions", "pip"}
