"""The code location has the same name however it is opened. Schedules and runs depend on the name."""

import subprocess
import sys
import tomllib
from pathlib import Path

import yaml
from dagster._core.workspace.load_target import PyProjectFileTarget, WorkspaceFileTarget, get_target_from_toml_data

from cybersec_assets.operations.run_day import WORKSPACE
from cybersec_assets_tests.conftest import CHECKOUT, DAY
from cybersec_assets_tests.support.web import ask, opened, wait_for

PROGRAMS = Path(sys.executable).parent
NAME = "cybersec_assets"
REPOSITORY = "__repository__"
MODULE = "cybersec_assets.definitions"
LOCATIONS = """
{ repositoriesOrError { ... on RepositoryConnection { nodes { name location { name } } } } }
"""
SELECTOR = {"repositoryLocationName": NAME, "repositoryName": REPOSITORY, "scheduleName": "daily_training_schedule"}
START = """
mutation ($selector: ScheduleSelector!) {
  startSchedule(scheduleSelector: $selector) {
    ... on ScheduleStateResult { scheduleState { status } }
    ... on PythonError { message }
  }
}
"""
SCHEDULE = """
query ($selector: ScheduleSelector!) {
  scheduleOrError(scheduleSelector: $selector) { ... on Schedule { scheduleState { status } } }
}
"""
RUNS = """
query ($filter: RunsFilter!) {
  runsOrError(filter: $filter) { ... on Runs { results { runId status repositoryOrigin { repositoryLocationName } } } }
}
"""


def module_and_name(targets):
    """Return the module and the name of the only code location among targets."""
    (origin,) = targets
    return origin.loadable_target_origin.module_name, origin.location_name


def test_every_file_that_opens_the_code_location_names_it(monkeypatch):
    monkeypatch.chdir(CHECKOUT)
    project = tomllib.loads(Path("pyproject.toml").read_text())["tool"]
    by_dg = get_target_from_toml_data({"tool": {"dg": project["dg"]}})
    found = [
        module_and_name(WorkspaceFileTarget(["workspace.yaml"]).create_origins()),
        module_and_name(WorkspaceFileTarget([str(WORKSPACE)]).create_origins()),
        module_and_name(PyProjectFileTarget("pyproject.toml").create_origins()),
        (by_dg.module_name, by_dg.location_name),
    ]
    assert found == [(MODULE, NAME)] * 4


def test_the_workspace_file_is_package_data_and_equals_that_of_the_repository():
    data = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    assert f"operations/{WORKSPACE.name}" in data["cybersec_assets"]
    assert yaml.safe_load(WORKSPACE.read_text()) == yaml.safe_load((CHECKOUT / "workspace.yaml").read_text())


def test_all_ways_in_share_schedules_and_runs(environment, tmp_path):
    """A schedule that is started in `cybersec ui` is running in `dagster dev`, and `dagster job` works with both."""
    ways = {
        "cybersec ui": ([str(PROGRAMS / "cybersec"), "ui"], tmp_path),
        "dagster dev": ([str(PROGRAMS / "dagster"), "dev"], CHECKOUT),
        "dagster dev -w": ([str(PROGRAMS / "dagster"), "dev", "-w", str(CHECKOUT / "workspace.yaml")], tmp_path),
    }
    seen = {}
    states = {}
    for way, (command, folder) in ways.items():
        with opened(command, environment, folder) as url:
            seen[way] = ask(url, LOCATIONS)["repositoriesOrError"]["nodes"]
            if way == "cybersec ui":
                started = ask(url, START, selector=SELECTOR)["startSchedule"]
                assert started == {"scheduleState": {"status": "RUNNING"}}
                launch_and_wait(environment, url, "launch", "--tags", f'{{"dagster/partition": "{DAY}"}}')
                launch_and_wait(environment, url, "backfill", "--partitions", "2026-01-03", "--noprompt")
            found = ask(url, SCHEDULE, selector=SELECTOR)["scheduleOrError"]
            states[way] = found["scheduleState"]["status"]
    assert seen == {way: [{"name": REPOSITORY, "location": {"name": NAME}}] for way in ways}
    assert states == dict.fromkeys(ways, "RUNNING")


def launch_and_wait(environment, url, what, *options):
    """Start a day with `dagster job` and the repository's workspace, and wait until the daemon has run it."""
    before = runs_of(url)
    command = [str(PROGRAMS / "dagster"), "job", what, "-w", "workspace.yaml", "-j", "daily_training", *options]
    done = subprocess.run(command, env=environment, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    wait_for(lambda: finished(url, before), 180)


def runs_of(url):
    """Return the runs that the pages of the code location show, by ID."""
    label = [{"key": ".dagster/repository", "value": f"{REPOSITORY}@{NAME}"}]
    return {run["runId"]: run["status"] for run in ask(url, RUNS, filter={"tags": label})["runsOrError"]["results"]}


def finished(url, before):
    """Return whether a new run has succeeded. Fail if it has failed."""
    new = {run: status for run, status in runs_of(url).items() if run not in before}
    assert not set(new.values()) & {"FAILURE", "CANCELED"}
    return list(new.values()) == ["SUCCESS"]
