"""The workflows: what runs others' code may only read, and every action is one commit."""

import re
from typing import Any

import pytest
import yaml

from chapters import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
every = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
RUNS_OTHERS = re.compile(r"\b(make|pip|npm|apt-get|bash|python)\b|\.venv")


def jobs(text: str) -> dict[str, Any]:
    """The jobs, each with the rights that it has."""
    workflow = yaml.safe_load(text)
    return {name: {"permissions": workflow.get("permissions"), **job} for name, job in workflow["jobs"].items()}


@every
def test_actions_are_pinned_to_commits_and_say_which_release_that_is(path: Any) -> None:
    used = re.findall(r"uses: (.*)", path.read_text("utf8"))
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), f"{path.name}: {action}"


@every
def test_what_runs_others_code_may_only_read(path: Any) -> None:
    for name, job in jobs(path.read_text("utf8")).items():
        assert job["permissions"] is not None, f"{path.name}: {name} has whatever rights the repository gives"
        writes = [right for right, level in job["permissions"].items() if level == "write"]
        runs = [step["run"] for step in job["steps"] if RUNS_OTHERS.search(step.get("run", ""))]
        assert not (writes and runs), f"{path.name}: {name} may write {writes} and runs {runs}"
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False, f"{path.name}: {name}"


def test_what_is_published_was_built_by_the_job_that_only_reads() -> None:
    found = jobs((ROOT / ".github" / "workflows" / "publish.yml").read_text("utf8"))
    rights = {
        name: {right for right, level in job["permissions"].items() if level == "write"} for name, job in found.items()
    }
    assert rights == {"build": set(), "notebooks": {"contents"}, "pages": {"pages", "id-token"}}
    assert all(found[name]["needs"] == "build" for name in ("notebooks", "pages"))
