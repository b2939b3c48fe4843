"""Steps in separate processes get only what the audit names."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from cybersec_assets.audit.journal.tables import PHASES
from cybersec_assets.definitions import audit_from
from cybersec_assets.phases import EVALUATION, MODEL, RAW, SILVER
from cybersec_assets.settings import load_settings
from cybersec_assets_tests.conftest import CHECKOUT, DAY
from cybersec_assets_tests.support.servers.step_processes import FORGED_BEFORE, FORGERY

DAGSTER = str(Path(sys.executable).parent / "dagster")
MODULE = "cybersec_assets_tests.support.servers.step_processes"


@pytest.fixture
def run(bench, tmp_path, monkeypatch):
    """Return a function that runs a day, and returns the command's result and the newest row of each asset."""
    (tmp_path / "dagster").mkdir()
    (tmp_path / "dagster" / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    assert bench.leftovers() == []

    def execute():
        tags = json.dumps({"dagster/partition": DAY})
        done = subprocess.run(
            [DAGSTER, "job", "execute", "-m", MODULE, "-j", "daily_training_pods", "--tags", tags],
            cwd=CHECKOUT,
            env=dict(os.environ),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        with audit_from(load_settings()).session() as audit:
            return done, {row["asset"]: row for row in audit.ask().last_run()}

    return execute


def inputs_of(row):
    """Return the objects that a row records as inputs."""
    return {entry["uri"] for entry in row["inputs"] if "asset" in entry}


def test_each_step_fetches_what_the_audit_names(run, bench):
    """All phases belong to one run, each reads what the one before wrote, and no scratch folder keeps a file."""
    done, rows = run()
    assert done.returncode == 0, done.stderr[-3000:]
    assert list(rows) == list(PHASES)
    assert {row["estado"] for row in rows.values()} == {"SUCCESS"}
    assert len({row["run_id"] for row in rows.values()}) == 1
    uri = {asset: row["uri"] for asset, row in rows.items()}
    assert inputs_of(rows[SILVER.asset]) == {uri[RAW.asset]}
    assert inputs_of(rows[MODEL.asset]) == {uri[SILVER.asset]}
    assert inputs_of(rows[EVALUATION.asset]) == {uri[MODEL.asset], uri[SILVER.asset]}
    stored = bench.objects()
    assert {row["uri"]: row["sha256"] for row in rows.values()} == {
        name: hashlib.sha256(content).hexdigest() for name, content in stored.items()
    }
    folders = bench.leftovers()
    assert len(folders) >= len(PHASES)
    assert [list(folder.iterdir()) for folder in folders] == [[] for _ in folders]


def test_what_a_step_fetches_is_checked(run, monkeypatch):
    """An object that was overwritten between two steps fails the second step, and no step follows."""
    monkeypatch.setenv(FORGED_BEFORE, "silver__network_events")
    done, rows = run()
    assert done.returncode != 0
    assert {asset: row["estado"] for asset, row in rows.items()} == {RAW.asset: "SUCCESS", SILVER.asset: "FAILED"}
    assert rows[RAW.asset]["uri"] in rows[SILVER.asset]["error"]
    assert hashlib.sha256(FORGERY).hexdigest() in rows[SILVER.asset]["error"]
