"""The views that say which results stand out, and which data trained a model."""

import pytest

from cybersec_assets.audit.queries import Audit
from cybersec_assets.audit.tables import EVALUATION, MODEL, RAW, SILVER
from cybersec_assets.errors import NoRecordError
from cybersec_assets_tests.audit.phases import facts_of, make_object, start, succeed

FRIDAYS = ("2026-01-02", "2026-01-09", "2026-01-16")
NEXT_FRIDAY, SATURDAY = "2026-01-23", "2026-01-24"
BAND = {"min_anomaly_rate": 0.01, "max_anomaly_rate": 0.1}


@pytest.fixture
def audit(database):
    """The audit to ask."""
    return Audit(database)


@pytest.fixture
def evaluate(journal):
    """Write a day's evaluation with some metrics."""

    def write(day, **metrics):
        phase = start(journal, EVALUATION, day, f"run-{day}")
        usual = {"flows": 9, "anomaly_rate": 0.05, "score_mean": 1.0, "score_std": 0.2}
        phase.facts |= facts_of(EVALUATION) | {"metrics": usual | BAND | metrics}
        journal.succeed(phase, make_object(f"eval-{day}", "cybersec-ml-eval"))

    return write


@pytest.fixture
def ingest(journal):
    """Write a day's ingestion of some records."""
    return lambda day, records: succeed(journal, RAW, f"raw-{day}-{records}", day=day, records=records)


def told(audit):
    """Give what stands out, with its limits."""
    return [(row["what"], row["partition_key"], row["value"], row["low"], row["high"]) for row in audit.anomalies()]


@pytest.mark.parametrize("rate", [0.0099, 0.1001])
def test_an_anomaly_rate_out_of_its_band(audit, evaluate, rate):
    """A rate below or above the band that the evaluation was judged by stands out, with that band."""
    evaluate(FRIDAYS[0], anomaly_rate=rate)
    assert told(audit) == [("anomaly_rate", FRIDAYS[0], rate, 0.01, 0.1)]


@pytest.mark.parametrize("rate", [0.01, 0.1])
def test_the_ends_of_the_band_belong_to_it(audit, evaluate, rate):
    """A rate at the band's very end is none that stands out."""
    evaluate(FRIDAYS[0], anomaly_rate=rate)
    assert told(audit) == []


@pytest.mark.parametrize(("mean", "stands_out"), [(1.09, False), (1.11, True), (0.91, False), (0.89, True)])
def test_drift_is_told_in_spreads_of_the_days_before(audit, evaluate, mean, stands_out):
    """A day whose mean score is half a spread from that of the days before stands out; after three such days only."""
    for day in FRIDAYS:
        evaluate(day)
    evaluate(NEXT_FRIDAY, score_mean=mean)
    assert [(what, day) for what, day, *_ in told(audit)] == [("drift", NEXT_FRIDAY)] * stands_out


def test_two_days_make_no_usual(audit, evaluate, ingest):
    """With fewer than three days before it nothing is called unusual."""
    for day in FRIDAYS[:2]:
        evaluate(day)
        ingest(day, 100)
    evaluate(FRIDAYS[2], score_mean=9.0)
    ingest(FRIDAYS[2], 10_000)
    assert told(audit) == []


@pytest.mark.parametrize(("records", "stands_out"), [(49, True), (50, False), (200, False), (201, True)])
def test_records_far_off_the_usual_of_that_weekday(audit, ingest, records, stands_out):
    """Less than half or more than twice the median of the same weekday stands out."""
    for day, usual in zip(FRIDAYS, (100, 90, 5_000), strict=True):
        ingest(day, usual)
    ingest(NEXT_FRIDAY, records)
    expected = [("records", NEXT_FRIDAY, records, 50, 200)] * stands_out
    assert [row for row in told(audit) if row[1] == NEXT_FRIDAY] == expected


def test_another_weekday_has_its_own_usual(audit, ingest):
    """A quiet Saturday is not held against Fridays."""
    for day in FRIDAYS:
        ingest(day, 100)
    ingest(SATURDAY, 1)
    assert told(audit) == []


def test_a_day_done_again_counts_once(audit, ingest):
    """Of a day that was materialized again only the last success makes the usual."""
    ingest(FRIDAYS[0], 9_000)
    for day in FRIDAYS:
        ingest(day, 100)
    ingest(NEXT_FRIDAY, 150)
    assert [row for row in told(audit) if row[1] == NEXT_FRIDAY] == []


@pytest.fixture
def lineage(journal):
    """Write a day from two files to its model; give the model."""
    phase = start(journal, RAW)
    phase.inputs += [{"file": f"/logs/{name}.log", "size": 7, "sha256": name * 64} for name in "ab"]
    phase.facts |= facts_of(RAW)
    raw = make_object("raw-1")
    journal.succeed(phase, raw)
    silver = succeed(journal, SILVER, "silver-1", inputs=[(RAW, raw)])
    return succeed(journal, MODEL, "model-1", inputs=[(SILVER, silver)])


def test_a_model_has_a_row_for_each_source_file(database, lineage):
    """Whoever has only SQL reads which files, with sizes and hashes, trained a model."""
    query = "SELECT model, raw, silver, file, file_size, file_sha256 FROM audit_models ORDER BY file"
    rows = database.statement(lambda connection: connection.exec_driver_sql(query).all())
    objects = (lineage.uri, "s3://bucket/raw-1", "s3://bucket/silver-1")
    assert [tuple(row) for row in rows] == [(*objects, f"/logs/{name}.log", 7, name * 64) for name in "ab"]


@pytest.mark.parametrize("asked", ["/logs/a.log", "a.log", "a" * 64])
def test_models_of_a_file(audit, lineage, asked):
    """A file is known by its path, its name and its hash."""
    assert [row["model"] for row in audit.models_from(asked)] == [lineage.uri]


@pytest.mark.parametrize("asked", ["log", "_.log", "%", "logs/c.log"])
def test_a_file_that_trained_nothing(audit, lineage, asked):
    """A part of a name, a pattern or another file finds no model, and says so."""
    assert lineage
    with pytest.raises(NoRecordError, match="no model that was trained from"):
        audit.models_from(asked)
