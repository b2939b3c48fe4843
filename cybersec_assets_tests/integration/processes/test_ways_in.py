"""Start runs with real processes, from the shell and from the web server."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
from pathlib import Path

import pytest

from cybersec_assets.audit.journal.reconcile import live_phases
from cybersec_assets.definitions import audit_from
from cybersec_assets_tests.conftest import CHECKOUT, DAY
from cybersec_assets_tests.support.canaries import CANARIES
from cybersec_assets_tests.support.web import ask, opened, wait_for

DAGSTER = str(Path(sys.executable).parent / "dagster")
ASSETS = [["raw", "network_events"], ["silver", "network_events"], ["gold", "isolation_forest"], ["gold", "evaluation"]]
LAUNCH = """
mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) { __typename ... on LaunchRunSuccess { run { runId } } }
}
"""
REFUSAL = """
mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on RunConfigValidationInvalid { errors { message } }
    ... on PythonError { message stack cause { message stack } }
  }
}
"""
STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"


def rows_of(settings):
    """Return all SUCCESS rows."""
    with audit_from(settings).session() as audit:
        return audit.ask().records()


def test_the_shell_materializes_the_graph_and_then_one_asset(settings, environment):
    """The second process trains a model on the silver layer of the first."""
    for selection in ("*", "gold/isolation_forest"):
        command = [DAGSTER, "asset", "materialize", "-m", "cybersec_assets.definitions"]
        command += ["--select", selection, "--partition", DAY]
        done = subprocess.run(command, env=environment, cwd=CHECKOUT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    rows = rows_of(settings)
    assert len(rows) == 5
    silver = next(row["uri"] for row in rows if row["asset"] == "silver/network_events")
    models = [row for row in rows if row["asset"] == "gold/isolation_forest"]
    assert [[entry["uri"] for entry in row["inputs"]] for row in models] == [[silver]] * 2
    assert len({row["uri"] for row in models}) == 2
    assert list(settings.run.scratch.iterdir()) == []


def test_an_interrupted_run_is_recorded_and_can_be_run_again(settings, environment):
    command = [str(Path(DAGSTER).parent / "cybersec"), "run", "--date", DAY]
    environment["CYBERSEC_SYNTHETIC_FLOWS"] = "3000000"
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as run:
        wait_for(lambda: list(settings.run.scratch.glob("*/*/raw.parquet")), 120)
        # A terminal sends the signal to every process that the command has started.
        os.killpg(run.pid, signal.SIGINT)
        out, err = run.communicate(timeout=120)
    assert run.returncode == 130, err
    assert "Traceback" not in out + err
    assert "error: the run was interrupted. Run it again." in err
    assert list(settings.run.scratch.iterdir()) == []
    with audit_from(settings).session() as audit:
        assert {row["error"] for row in audit.ask().failures()} == {"the run was interrupted. Run it again."}
    environment["CYBERSEC_SYNTHETIC_FLOWS"] = "2000"
    assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("asset", ["silver/network_events", "gold/isolation_forest", "gold/evaluation"])
def test_an_interrupted_phase_has_the_interruption_in_the_audit(settings, environment, asset):
    command = [str(Path(DAGSTER).parent / "cybersec"), "run", "--date", DAY]
    environment["CYBERSEC_SYNTHETIC_FLOWS"] = "1000000"

    def is_working():
        with audit_from(settings).session() as audit:
            return audit.exists() and any(phase.asset == asset for phase in live_phases(audit.connect(), DAY))

    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as run:
        wait_for(is_working, 120)
        os.killpg(run.pid, signal.SIGINT)
        _, err = run.communicate(timeout=120)
    assert run.returncode == 130, err
    with audit_from(settings).session() as audit:
        rows = audit.ask().failures()
    assert [(row["asset"], row["error"]) for row in rows] == [(asset, "the run was interrupted. Run it again.")]


@pytest.fixture
def web_server(environment):
    """The GraphQL address of `dagster dev` in the repository's root, without options but the port."""
    with opened([DAGSTER, "dev", "-h", "127.0.0.1"], environment, CHECKOUT) as url:
        yield url


def test_the_web_server_materializes_a_day(settings, web_server):
    """The request is that of the UI, with a selection of assets."""
    params = {
        "selector": {
            "repositoryLocationName": "cybersec_assets",
            "repositoryName": "__repository__",
            "pipelineName": "__ASSET_JOB",
            "assetSelection": [{"path": path} for path in ASSETS],
        },
        "mode": "default",
        "executionMetadata": {"tags": [{"key": "dagster/partition", "value": DAY}]},
    }
    launched = ask(web_server, LAUNCH, params=params)["launchRun"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    status = [""]

    def is_finished():
        status[0] = ask(web_server, STATUS, id=launched["run"]["runId"])["runOrError"]["status"]
        return status[0] in {"SUCCESS", "FAILURE", "CANCELED"}

    wait_for(is_finished, 180)
    assert status == ["SUCCESS"]
    assert {row["run_id"] for row in rows_of(settings)} == {launched["run"]["runId"]}
    assert len(rows_of(settings)) == 4
    assert list(settings.run.scratch.iterdir()) == []


REFUSED = [
    {"resources": {"store": {"config": {"home": "/elsewhere"}}}},
    {"resources": {"audit": {"config": {"host": "elsewhere"}}}},
    {"resources": {"flow_source": {"config": {"uri": {"env": "AUDIT_SIGNING_KEY"}}}}},
    {"resources": {"flow_source": {"config": {"uri": "/logs/" + CANARIES["AUDIT_SIGNING_KEY"]}}}},
    {"resources": {"flow_source": {"config": {"format": "bro"}}}},
    {"ops": {"raw__network_events": {"config": {"max_outside_day": 2}}}},
]


def test_the_web_server_refuses_settings_that_a_launch_may_not_change(settings, environment, request):
    """Such a launch creates no run, and no response contains the key in the server's environment."""
    environment["AUDIT_SIGNING_KEY"] = CANARIES["AUDIT_SIGNING_KEY"]
    web_server = request.getfixturevalue("web_server")
    for config in REFUSED:
        params = {
            "selector": {
                "repositoryLocationName": "cybersec_assets",
                "repositoryName": "__repository__",
                "pipelineName": "daily_training",
            },
            "runConfigData": config,
            "mode": "default",
            "executionMetadata": {"tags": [{"key": "dagster/partition", "value": DAY}]},
        }
        try:
            response = ask(web_server, REFUSAL, params=params)["launchRun"]
        except urllib.error.HTTPError as error:
            # The web server responds with an error status if the code location has refused. The UI shows the body.
            response = json.load(error)["data"]["launchRun"]
        assert response["__typename"] in {"RunConfigValidationInvalid", "PythonError"}, response
        assert CANARIES["AUDIT_SIGNING_KEY"] not in str(response)
    assert ask(web_server, "{ runsOrError { ... on Runs { results { runId } } } }")["runsOrError"] == {"results": []}
    with audit_from(settings).session() as audit:
        assert audit.ask().last_run() == []
