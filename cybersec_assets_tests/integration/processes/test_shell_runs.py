"""Runs from a shell in Dagster's UI. The queries are those of the UI's pages."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.instance.ref import InstanceRef

from cybersec_assets.defs.checks import RAW_RULES
from cybersec_assets.errors import RunInProgressError
from cybersec_assets.home.day_lock import only_run_of, run_id_in
from cybersec_assets.operations.run_day import JOB, run_day, use_instance
from cybersec_assets_tests.conftest import DAY
from cybersec_assets_tests.support.web import ask, opened, wait_for

CYBERSEC = str(Path(sys.executable).parent / "cybersec")
LOCATION = {"repositoryLocationName": "cybersec_assets", "repositoryName": "__repository__"}
BROKEN_DAY = "2026-01-03"
OVERVIEW = """
{ runsOrError(limit: 10) { ... on Runs { results {
  runId pipelineName status repositoryOrigin { repositoryName repositoryLocationName } pipelineSnapshotId
} } } }
"""
JOB_PAGE = """
query ($selector: PipelineSelector!) {
  pipelineOrError(params: $selector) { ... on Pipeline { pipelineSnapshotId runs(limit: 5) { runId status } } }
}
"""
OF_REPOSITORY = """
query ($filter: RunsFilter!) { runsOrError(filter: $filter) { ... on Runs { results { runId } } } }
"""
CHECKS = """
query ($key: AssetKeyInput!) { assetNodeOrError(assetKey: $key) { ... on AssetNode { assetChecksOrError {
  ... on AssetChecks { checks { name blocking executionForLatestMaterialization {
    runId status evaluation { success metadataEntries { label ... on FloatMetadataEntry { floatValue } } }
  } } }
} } } }
"""
REEXECUTE = """
mutation ($params: ReexecutionParams!) {
  launchRunReexecution(reexecutionParams: $params) { __typename ... on LaunchRunSuccess { run { runId } } }
}
"""
STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"


def runs_in(home):
    """Return the runs of the instance in a home, the oldest first."""
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home / "dagster"))) as instance:
        return list(reversed(instance.get_runs()))


def test_a_run_from_a_shell_has_the_origins_of_one_from_the_ui(settings, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", "")
    use_instance(settings.home)
    result = run_day(DAY, settings, lambda *_: None, {"max_outside_day": 0.5})
    (run,) = runs_in(settings.home)
    assert (run.run_id, run.job_name, result.exit_status) == (result.run_id, JOB, 0)
    assert run.remote_job_origin.repository_origin.get_label() == "__repository__@cybersec_assets"
    assert run.job_code_origin.repository_origin.code_pointer.load_target() is not None
    assert run.tags["dagster/partition"] == DAY
    assert run.run_config["ops"] == {"raw__network_events": {"config": {"max_outside_day": 0.5}}}


def test_the_pages_show_runs_from_a_shell(settings, tmp_path):
    """The pages list them, a failed check has its value and limit, and a run can be re-executed."""
    (tmp_path / "flows.csv").write_text(
        "timestamp,src_ip,dst_ip,bytes,duration,protocol\n" + "2026-01-02 23:00:00,10.0.0.1,10.0.0.2,5,1,tcp\n" * 9
    )
    environment = {
        "PATH": os.defpath,
        "CYBERSEC_HOME": str(settings.home),
        "CYBERSEC_SYNTHETIC_FLOWS": "2000",
        "PG_HOST": settings.postgres.host,
        "PG_DATABASE": settings.postgres.database,
    }
    broken = ["--date", BROKEN_DAY, "--flows-uri", str(tmp_path / "flows.csv")]
    statuses = [
        subprocess.run([CYBERSEC, "run", *options], env=environment, capture_output=True, check=False).returncode
        for options in (["--date", DAY], broken)
    ]
    assert statuses == [0, 1]
    good, bad = (run.run_id for run in runs_in(settings.home))
    with opened([CYBERSEC, "ui"], environment, tmp_path) as url:
        overview = {run["runId"]: run for run in ask(url, OVERVIEW)["runsOrError"]["results"]}
        page = ask(url, JOB_PAGE, selector=LOCATION | {"pipelineName": JOB})["pipelineOrError"]
        label = [{"key": ".dagster/repository", "value": "__repository__@cybersec_assets"}]
        listed = ask(url, OF_REPOSITORY, filter={"tags": label})["runsOrError"]["results"]
        key = {"path": ["raw", "network_events"]}
        checks = ask(url, CHECKS, key=key)["assetNodeOrError"]["assetChecksOrError"]["checks"]
        again = reexecuted(url, good)
    assert {run["repositoryOrigin"]["repositoryLocationName"] for run in overview.values()} == {"cybersec_assets"}
    assert page["runs"] == [{"runId": bad, "status": "FAILURE"}, {"runId": good, "status": "SUCCESS"}]
    assert overview[good]["pipelineSnapshotId"] == page["pipelineSnapshotId"]
    assert [run["runId"] for run in listed] == [bad, good]
    assert again == "SUCCESS"

    of_bad = {check["name"]: check for check in checks if check["executionForLatestMaterialization"]["runId"] == bad}
    assert set(of_bad) == {*RAW_RULES, "past_days_unchanged"}
    status = {name: check["executionForLatestMaterialization"]["status"] for name, check in of_bad.items()}
    assert status == dict.fromkeys(of_bad, "SUCCEEDED") | {"within_day": "FAILED"}
    entries = of_bad["within_day"]["executionForLatestMaterialization"]["evaluation"]["metadataEntries"]
    assert {entry["label"]: entry["floatValue"] for entry in entries} == {"value": 1.0, "limit": 0.2}


def reexecuted(url, run_id):
    """Re-execute a run as the UI does, and return its final status."""
    params = {"parentRunId": run_id, "strategy": "ALL_STEPS"}
    launched = ask(url, REEXECUTE, params=params)["launchRunReexecution"]
    assert launched["__typename"] == "LaunchRunSuccess", launched
    status = [""]

    def is_finished():
        status[0] = ask(url, STATUS, id=launched["run"]["runId"])["runOrError"]["status"]
        return status[0] in {"SUCCESS", "FAILURE", "CANCELED"}

    wait_for(is_finished, 180)
    return status[0]


def test_a_lock_names_its_run_until_it_is_removed(tmp_path):
    with only_run_of(DAY, tmp_path / "runs") as note:
        note("a-run")
        with pytest.raises(RunInProgressError, match=r"\(a-run\)"), only_run_of(DAY, tmp_path / "runs"):
            pass
    assert run_id_in(tmp_path / "runs" / f"{DAY}.lock") == ""
