"""A range of days from a shell: one run for each, in order, and never two of one day at a time."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.instance.ref import InstanceRef

from cybersec_assets.definitions import audit_from
from cybersec_assets.errors import RunInProgressError, quoted
from cybersec_assets.home.day_lock import only_run_of
from cybersec_assets.home.folders import MARKER
from cybersec_assets.operations.run_day import EARLIER_YAML, INSTANCE_YAML, LOCKS, use_instance
from cybersec_assets_tests.support.web import wait_for

CYBERSEC = str(Path(sys.executable).parent / "cybersec")
NAMES = "timestamp,src_ip,dst_ip,bytes,duration,protocol\n"
FIRST = "2026-01-02"
SECOND = "2026-01-03"
THIRD = "2026-01-04"
WITHOUT_LOGS = "2026-01-05"


def runs_in(home):
    """Return day and status of the runs of the instance in a home, the oldest first."""
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home / "dagster"))) as instance:
        return [(run.tags["dagster/partition"], run.status.value) for run in reversed(instance.get_runs())]


@pytest.fixture
def logs(tmp_path):
    """Write logs of three days, of which the second has flows of another year; return a pattern."""
    for day, dated in ((FIRST, FIRST), (SECOND, "1999-01-01"), (THIRD, THIRD)):
        (tmp_path / f"{day}.csv").write_text(NAMES + f"{dated} 10:00:00,10.0.0.1,10.0.0.2,5,1,tcp\n" * 300)
    return f"{tmp_path}/{{date}}.csv"


@pytest.mark.usefixtures("in_environment")
def test_days_run_in_order_and_continue_after_a_failed_one(cybersec, settings, logs):
    """Each day is a run. Each error is printed once, and a day without logs does not run."""
    status, out, err = cybersec("run", "--from", FIRST, "--to", WITHOUT_LOGS, "--flows-uri", logs)
    assert status == 1
    assert runs_in(settings.home) == [(FIRST, "SUCCESS"), (SECOND, "FAILURE"), (THIRD, "SUCCESS")]
    lines = [line.split() for line in out.splitlines()]
    assert [line[:3] for line in lines[1:4:2]] == [[FIRST, "SUCCESS", "300"], [THIRD, "SUCCESS", "300"]]
    assert lines[2][:2] == [SECOND, "FAILED"]
    assert lines[4] == [WITHOUT_LOGS, "FAILED"]
    assert out.splitlines()[-1] == "2 days done, 2 failed"
    assert max(map(len, out.splitlines()[:5])) <= 80
    assert f"{SECOND} failed; continuing with {THIRD}" in err
    errors = [line for line in err.splitlines() if line.startswith("error:")]
    assert ["within_day" in errors[0], f"{WITHOUT_LOGS}.csv" in errors[1], len(errors)] == [True, True, 2]


@pytest.mark.usefixtures("in_environment")
def test_the_summary_has_the_source_and_the_notes_of_each_day(cybersec, logs):
    """The locations of objects and audit are printed once."""
    damaged = Path(logs.format(date=THIRD))
    damaged.write_text(damaged.read_text() + "not a flow\n")
    status, out, _ = cybersec("run", "--from", FIRST, "--to", THIRD, "--flows-uri", logs, "--max-outside-day", "1")
    assert status == 0
    shown = [line for line in out.splitlines() if line.startswith(("note", "flows"))]
    assert f"note      {SECOND}: 100.00% of the flows began outside of the day" in shown
    assert f"note      {THIRD}: damaged lines left out: 1 (0.33%)" in shown
    flows = [line for line in shown if line.startswith("flows")]
    assert flows == [f"flows     {day}: {logs.format(date=day)}" for day in (FIRST, SECOND, THIRD)]
    assert [line.split()[0] for line in out.splitlines()[-4:]] == ["objects", "audit", "the", "3"]


@pytest.mark.usefixtures("in_environment")
def test_the_summary_marks_synthetic_flows(cybersec):
    """Days with the same source share one line."""
    status, out, _ = cybersec("run", "--from", FIRST, "--to", SECOND)
    assert status == 0
    assert [line for line in out.splitlines() if line.startswith("flows")] == [
        "flows     synthetic, as FLOWS_URI is not set"
    ]
    assert out.splitlines()[-1] == "2 days done"


@pytest.mark.usefixtures("in_environment")
def test_the_source_of_an_unreadable_file_is_the_pattern(cybersec, tmp_path):
    """The audit has no source of a damaged gzip, so the pattern is shown."""
    damaged = tmp_path / "conn.log.gz"
    damaged.write_bytes(b"\x1f\x8b\x08\x00damaged")
    status, out, _ = cybersec("run", "--date", FIRST, "--flows-uri", str(damaged))
    assert status == 2
    assert f"flows     none were read from {quoted(damaged)}" in out.splitlines()


@pytest.mark.usefixtures("in_environment")
def test_json_output_is_one_document(cybersec, logs):
    """With --json standard output has one document, and standard error has only errors."""
    status, out, err = cybersec("run", "--from", SECOND, "--to", THIRD, "--flows-uri", logs, "--json")
    output = json.loads(out)
    assert (status, output["from"], output["to"], output["success"], output["not_run"]) == (1, SECOND, THIRD, False, [])
    assert [(day["date"], day["success"]) for day in output["days"]] == [(SECOND, False), (THIRD, True)]
    assert output["days"][1]["metrics"]["flows"] == 300
    assert err == f"error: {output['days'][0]['errors'][0]}\n"


@pytest.mark.usefixtures("in_environment")
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--from", THIRD, "--to", FIRST], f"--to {FIRST} is before --from {THIRD}"),
        (["--from", FIRST], "--from and --to must be used together"),
        (["--to", FIRST], "--from and --to must be used together"),
        (["--date", FIRST, "--from", FIRST, "--to", THIRD], "--date cannot be combined with --from or --to"),
        (["--date", FIRST, "--to", THIRD], "--date cannot be combined with --from or --to"),
        (["--from", FIRST, "--to", "2999-01-01"], "2999-01-01 is not over yet"),
        (["--from", "2019-01-01", "--to", FIRST], "2019-01-01 is before CYBERSEC_START_DATE"),
        (["--from", "tomorrow", "--to", FIRST], "'tomorrow' is not a date"),
        (["--from", FIRST, "--to", "2026-02-30"], "'2026-02-30' is not a date"),
    ],
)
def test_a_range_is_checked_before_anything_starts(cybersec, settings, options, problem):
    """An invalid range is one line and exit status 2, and creates nothing."""
    status, out, err = cybersec("run", *options)
    assert (status, out) == (2, "")
    assert problem in err
    assert err.count("\n") == 1
    assert not settings.home.exists()


@pytest.fixture
def environment(settings):
    """Return the environment of processes that share the test's home and database."""
    return {
        "PATH": os.defpath,
        "CYBERSEC_HOME": str(settings.home),
        "CYBERSEC_SCRATCH": str(settings.run.scratch),
        "CYBERSEC_SYNTHETIC_FLOWS": "3000000",
        "PG_HOST": settings.postgres.host,
        "PG_DATABASE": settings.postgres.database,
    }


def test_an_interrupt_ends_the_range_with_a_summary(settings, environment):
    """Ctrl-C ends the current day and the range with exit status 130."""
    command = [CYBERSEC, "run", "--from", FIRST, "--to", THIRD, "--json"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as run:
        wait_for(lambda: list(settings.run.scratch.glob("*/*/raw.parquet")), 180)
        os.killpg(run.pid, signal.SIGINT)
        out, err = run.communicate(timeout=180)
    assert run.returncode == 130, err
    assert err == "error: the run was interrupted. Run it again.\n"
    output = json.loads(out)
    assert ([day["date"] for day in output["days"]], output["not_run"]) == ([FIRST], [SECOND, THIRD])
    assert not output["success"]


def test_a_running_day_is_not_started_again_until_its_run_is_killed(settings, environment):
    """A second run of a day is refused while the first is alive. A killed run counts as failed."""
    command = [CYBERSEC, "run", "--date", FIRST]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as run:
        wait_for(lambda: list(settings.run.scratch.glob("*/*/raw.parquet")), 180)
        second = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        os.killpg(run.pid, signal.SIGKILL)
    assert second.returncode == 2
    (error,) = [line for line in second.stderr.splitlines() if line.startswith("error:")]
    assert error.startswith(f"error: a run of {FIRST} is in progress (")
    assert runs_in(settings.home) == [(FIRST, "STARTED")]
    environment["CYBERSEC_SYNTHETIC_FLOWS"] = "2000"
    third = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert third.returncode == 0, third.stderr
    assert runs_in(settings.home) == [(FIRST, "FAILURE"), (FIRST, "SUCCESS")]
    assert [path.name for path in (settings.home / LOCKS).iterdir()] == [MARKER]


@pytest.mark.usefixtures("in_environment")
def test_a_day_that_runs_elsewhere_is_not_started(cybersec, settings):
    """A live phase in the audit, of the UI or another machine, prevents a second run of its day."""
    with audit_from(settings).session() as elsewhere, elsewhere.phase("raw/network_events", FIRST):
        status, out, err = cybersec("run", "--date", FIRST)
        assert (status, out) == (2, "")
        assert err == f"error: a run of {FIRST} is in progress. Wait for it to end, or stop it.\n"
        assert cybersec("run", "--date", SECOND)[0] == 0


def test_a_day_lock_has_one_holder_and_is_removed(tmp_path):
    """A second holder gets the first one's run in the error. The file is removed afterwards."""
    for run_id in ("first", "second"):
        with only_run_of(FIRST, tmp_path) as note:
            note(run_id)
            with pytest.raises(RunInProgressError, match=run_id), only_run_of(FIRST, tmp_path):
                pytest.fail("it was held twice")
            with only_run_of(SECOND, tmp_path):
                pass
    assert list(tmp_path.glob("*.lock")) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [(None, INSTANCE_YAML), (EARLIER_YAML, INSTANCE_YAML), (EARLIER_YAML + "# mine\n", EARLIER_YAML + "# mine\n")],
)
def test_an_instance_limits_runs_of_a_day_unless_its_settings_were_changed(tmp_path, monkeypatch, before, after):
    """Settings of an earlier release are updated unless the user changed them."""
    monkeypatch.setenv("DAGSTER_HOME", "")
    file = tmp_path / "dagster" / "dagster.yaml"
    if before is not None:
        file.parent.mkdir()
        file.write_text(before)
    use_instance(tmp_path)
    assert file.read_text() == after
    with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(file.parent))) as instance:
        limits = instance.get_concurrency_config().run_queue_config.tag_concurrency_limits
    one_of_a_day = {"key": "dagster/partition", "limit": 1, "value": {"applyLimitPerUniqueValue": True}}
    assert limits == ([one_of_a_day] if after == INSTANCE_YAML else [])
