"""Queries find what ran, what a model was trained on, record counts and failures."""

from functools import partial

import pytest

from cybersec_assets.audit.journal.queries import Audit
from cybersec_assets.errors import NoRecordError
from cybersec_assets.phases import EVALUATION, MODEL, RAW, SILVER
from cybersec_assets_tests.conftest import DAY
from cybersec_assets_tests.support.audit.phases import facts_of, fail, make_object, start, succeed


@pytest.fixture
def write(journal):
    """Record a SUCCESS that read some inputs."""
    return lambda run_id, asset, name, inputs=(), day=DAY: succeed(
        journal, asset, name, day=day, run_id=run_id, inputs=inputs
    )


@pytest.fixture
def write_failure(journal):
    """Record a FAILED."""
    return partial(fail, journal)


@pytest.fixture
def audit(database):
    return Audit(database)


def test_the_own_runs_object_comes_first(audit, write):
    own = write("run-1", RAW.asset, "own")
    write("run-2", RAW.asset, "later")
    assert audit.input_of("run-1", RAW.asset, DAY).artifact == own


def test_otherwise_the_days_last_success_is_read(audit, write, write_failure):
    write("run-1", RAW.asset, "older")
    newer = write("run-2", RAW.asset, "newer")
    write("run-3", RAW.asset, "other-day", day="2026-01-03")
    write_failure(RAW.asset, run_id="run-4")
    assert audit.input_of("run-5", RAW.asset, DAY).artifact == newer


def test_both_inputs_have_one_lineage(audit, write):
    """The silver object is the one that trained the model, not the newest."""
    first = write("run-1", SILVER.asset, "silver-1")
    write("run-1", MODEL.asset, "model-1", [(SILVER.asset, first)])
    write("run-2", SILVER.asset, "silver-2")
    assert audit.input_of("run-3", SILVER.asset, DAY, lineage_of=MODEL.asset).artifact == first


def test_a_newer_model_does_not_change_the_lineage_of_the_read_one(audit, write):
    first = write("run-1", SILVER.asset, "silver-1")
    model = write("run-1", MODEL.asset, "model-1", [(SILVER.asset, first)])
    second = write("run-2", SILVER.asset, "silver-2")
    write("run-2", MODEL.asset, "model-2", [(SILVER.asset, second)])
    found = audit.input_of("run-3", SILVER.asset, DAY, lineage_of=MODEL.asset, descendant_uri=model.uri)
    assert found.artifact == first


def test_a_run_cannot_mix_lineages(audit, write):
    first = write("run-1", SILVER.asset, "silver-1")
    write("run-1", MODEL.asset, "model-1", [(SILVER.asset, first)])
    write("run-2", SILVER.asset, "silver-2")
    with pytest.raises(NoRecordError, match=r"silver-1, not from this run's s3://bucket/silver-2.*gold/isolation"):
        audit.input_of("run-2", SILVER.asset, DAY, lineage_of=MODEL.asset)


def test_a_missing_success_is_named_with_asset_and_day(audit):
    with pytest.raises(NoRecordError, match=f"no success of {RAW.asset} for {DAY}. Materialize {RAW.asset} first"):
        audit.input_of("run-1", RAW.asset, DAY)


def test_a_model_without_a_silver_input_is_an_error(audit, write):
    write("run-1", MODEL.asset, "model-1")
    with pytest.raises(NoRecordError, match="model-1 was not made from silver"):
        audit.input_of("run-1", SILVER.asset, DAY, lineage_of=MODEL.asset)


def test_lineage_ends_at_the_raw_object(audit, write):
    """A model is found by name or URI; a similar name is another model."""
    raw = write("run-1", RAW.asset, "raw-1")
    silver = write("run-1", SILVER.asset, "silver-1", [(RAW.asset, raw)])
    model = write("run-1", MODEL.asset, "model-1", [(SILVER.asset, silver)])
    write("run-2", MODEL.asset, "other-model-1")
    for asked in (model.name, model.uri):
        assert [row["uri"] for row in audit.lineage(asked)] == [model.uri, silver.uri, raw.uri]


def test_lineage_of_an_unknown_object_is_an_error(audit):
    """Pattern characters have no special meaning."""
    with pytest.raises(NoRecordError, match=r"has no object %.* Use a name that `cybersec audit records --wide`"):
        audit.lineage("%")


def test_last_run_has_the_newest_row_of_each_phase(audit, write, write_failure):
    """Rows are in the order of the graph."""
    write("run-1", EVALUATION.asset, "eval-1")
    write("run-1", RAW.asset, "raw-1")
    write_failure(RAW.asset, run_id="run-2")
    assert [(row["asset"], row["estado"]) for row in audit.last_run()] == [
        (RAW.asset, "FAILED"),
        (EVALUATION.asset, "SUCCESS"),
    ]


def test_records_and_failures_are_separate(audit, write, write_failure):
    write("run-1", RAW.asset, "raw-1")
    write("run-1", EVALUATION.asset, "eval-1", day="2026-01-03")
    write_failure(SILVER.asset, "gone", run_id="run-2")
    assert [(row["asset"], row["records"]) for row in audit.records()] == [(EVALUATION.asset, 9), (RAW.asset, 9)]
    assert [row["asset"] for row in audit.records(DAY)] == [RAW.asset]
    assert [(row["asset"], row["error"]) for row in audit.failures()] == [(SILVER.asset, "gone")]


@pytest.fixture
def reject(journal):
    """End a phase with rejected lines, with SUCCESS if its object is named; return the quarantine object."""

    def write(run_id, name=None):
        phase = start(journal, RAW.asset, run_id=run_id)
        made = make_object(f"rejected-{run_id}")
        stored = {"uri": made.uri, "sha256": made.fingerprint.sha256, "size": made.fingerprint.size}
        phase.facts |= facts_of(RAW.asset) | {"rejected": {"lines": 1_234, "share": 0.5} | stored}
        journal.succeed(phase, make_object(name)) if name else journal.fail(phase, ValueError("too many"))
        return made

    return write


def test_every_list_has_the_rejected_lines(audit, write, reject):
    made = reject("run-1", "raw-1")
    write("run-1", SILVER.asset, "silver-1", [(RAW.asset, make_object("raw-1"))])
    assert [(row["rejected"] or {}).get("uri") for row in audit.records()] == [made.uri, None]
    assert [row["rejected"] and row["rejected"]["lines"] for row in audit.lineage("silver-1")] == [None, 1_234]
    failed = reject("run-2")
    assert [row["rejected"]["uri"] for row in [*audit.failures(), audit.last_run()[0]]] == [failed.uri] * 2


def test_objects_are_artifacts_and_quarantined_lines(audit, write, write_failure, reject):
    """The quarantined lines of a failed phase are included."""
    expected = [(1, make_object("raw-1")), (1, reject("run-1", "raw-1")), (2, reject("run-2"))]
    write_failure(RAW.asset, run_id="run-3")
    expected.append((4, write("run-4", RAW.asset, "raw-4")))
    found = [(row["id"], artifact) for row, artifact in audit.objects()]
    assert sorted(found, key=str) == sorted(expected, key=str)


@pytest.fixture
def ingest(journal):
    """Record the SUCCESS of a day that was made from files and another input."""

    def write(day, *files, run_id="run-1"):
        phase = start(journal, RAW.asset, day, run_id)
        phase.inputs += [*files, {"asset": "other", "uri": "s3://bucket/x"}]
        phase.facts |= facts_of(RAW.asset)
        journal.succeed(phase, make_object(f"raw-{day}-{run_id}"))

    return write


def test_sources_are_the_files_of_each_days_last_success(audit, ingest, write_failure):
    whole = {"file": "/logs/b.log", "size": 7, "mtime": "2026-01-03T00:00:00+00:00", "sha256": "ab" * 32}
    ingest("2026-01-03", {"file": "/logs/old.log"})
    ingest("2026-01-01", {"file": "synthetic"})
    ingest("2026-01-02", {"file": "/logs/a.log", "size": 5, "sha256": "cd" * 32}, whole)
    ingest("2026-01-03", whole, run_id="run-2")
    write_failure(RAW.asset, day="2026-01-03", run_id="run-3")
    write_failure(RAW.asset, day="2026-01-04")
    second = [{"file": "/logs/a.log", "size": 5, "sha256": "cd" * 32}, whole]
    days = [("2026-01-03", [whole]), ("2026-01-02", second), ("2026-01-01", [{"file": "synthetic"}])]
    for limit in range(5):
        assert [(each.partition, each.files) for each in audit.sources(limit)] == days[:limit]


def test_metrics_are_those_of_the_runs_own_evaluation(audit, write):
    write("run-1", EVALUATION.asset, "eval-1")
    assert audit.metrics("run-1") == {"flows": 9}
    assert audit.metrics("run-2") is None
