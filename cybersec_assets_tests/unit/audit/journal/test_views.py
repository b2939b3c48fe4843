"""The views show unusual results, and the data that trained a model."""

from datetime import date, timedelta

import pytest

from cybersec_assets.audit.journal.journal import Journal
from cybersec_assets.audit.journal.queries import Audit
from cybersec_assets.errors import NoRecordError
from cybersec_assets.phases import EVALUATION, MODEL, RAW, SILVER
from cybersec_assets_tests.support.audit.phases import facts_of, fail, make_object, start, succeed

FRIDAYS = ("2026-01-02", "2026-01-09", "2026-01-16")
NEXT_FRIDAY = "2026-01-23"
SATURDAY = "2026-01-24"
BAND = {"min_anomaly_rate": 0.01, "max_anomaly_rate": 0.1}


@pytest.fixture
def audit(database):
    return Audit(database)


@pytest.fixture
def evaluate(journal):
    """Record a day's evaluation with some metrics."""

    def write(day, **metrics):
        phase = start(journal, EVALUATION.asset, day, f"run-{day}")
        usual = {"flows": 9, "anomaly_rate": 0.05, "score_mean": 1.0, "score_std": 0.2}
        phase.facts |= facts_of(EVALUATION.asset) | {"metrics": usual | BAND | metrics}
        journal.succeed(phase, make_object(f"eval-{day}", "cybersec-ml-eval"))

    return write


@pytest.fixture
def ingest(journal):
    """Record a day's ingestion with a number of records."""
    return lambda day, records: succeed(journal, RAW.asset, f"raw-{day}-{records}", day=day, records=records)


def anomalies(audit):
    """Return the anomalies with their limits."""
    return [(row["what"], row["partition_key"], row["value"], row["low"], row["high"]) for row in audit.anomalies()]


@pytest.mark.parametrize("rate", [0.0099, 0.1001])
def test_an_anomaly_rate_outside_its_limits_is_listed(audit, evaluate, rate):
    evaluate(FRIDAYS[0], anomaly_rate=rate)
    assert anomalies(audit) == [("anomaly_rate", FRIDAYS[0], rate, 0.01, 0.1)]


@pytest.mark.parametrize("rate", [0.01, 0.1])
def test_an_anomaly_rate_at_a_limit_is_not_listed(audit, evaluate, rate):
    evaluate(FRIDAYS[0], anomaly_rate=rate)
    assert anomalies(audit) == []


@pytest.mark.parametrize(("mean", "stands_out"), [(1.09, False), (1.11, True), (0.91, False), (0.89, True)])
def test_drift_is_listed_from_half_a_spread(audit, evaluate, mean, stands_out):
    """The day has at least three days before it."""
    for day in FRIDAYS:
        evaluate(day)
    evaluate(NEXT_FRIDAY, score_mean=mean)
    assert [(what, day) for what, day, *_ in anomalies(audit)] == [("drift", NEXT_FRIDAY)] * stands_out


def test_two_earlier_days_are_not_enough(audit, evaluate, ingest):
    for day in FRIDAYS[:2]:
        evaluate(day)
        ingest(day, 100)
    evaluate(FRIDAYS[2], score_mean=9.0)
    ingest(FRIDAYS[2], 10_000)
    assert anomalies(audit) == []


@pytest.mark.parametrize(("records", "stands_out"), [(49, True), (50, False), (200, False), (201, True)])
def test_records_far_from_the_weekdays_median_are_listed(audit, ingest, records, stands_out):
    """Far is less than half, or more than twice."""
    for day, usual in zip(FRIDAYS, (100, 90, 5_000), strict=True):
        ingest(day, usual)
    ingest(NEXT_FRIDAY, records)
    expected = [("records", NEXT_FRIDAY, records, 50, 200)] * stands_out
    assert [row for row in anomalies(audit) if row[1] == NEXT_FRIDAY] == expected


def test_each_weekday_has_its_own_median(audit, ingest):
    for day in FRIDAYS:
        ingest(day, 100)
    ingest(SATURDAY, 1)
    assert anomalies(audit) == []


def test_a_repeated_day_counts_once(audit, ingest):
    ingest(FRIDAYS[0], 9_000)
    for day in FRIDAYS:
        ingest(day, 100)
    ingest(NEXT_FRIDAY, 150)
    assert [row for row in anomalies(audit) if row[1] == NEXT_FRIDAY] == []


def test_drift_has_its_size(audit, evaluate):
    """It is the distance between the means, in units of the mean spread."""
    for day, mean, std in zip(FRIDAYS, (1.0, 2.0, 3.0), (0.5, 1.0, 1.5), strict=True):
        evaluate(day, score_mean=mean, score_std=std)
    evaluate(NEXT_FRIDAY, score_mean=0.5)
    (found,) = [row for row in anomalies(audit) if row[1] == NEXT_FRIDAY]
    assert found == ("drift", NEXT_FRIDAY, pytest.approx((0.5 - 2.0) / 1.0), -0.5, 0.5)


def test_drift_is_compared_with_four_weeks(audit, evaluate):
    days = [(date(2026, 1, 2) + timedelta(days=number)).isoformat() for number in range(33)]
    means = [9.0, 9.0, 9.0, *[1.0] * 29, 9.0]
    for day, mean in zip(days, means, strict=True):
        evaluate(day, score_mean=mean)
    drifted = {row[1]: row[2] for row in anomalies(audit)}
    assert days[30] in drifted
    assert days[31] not in drifted
    assert drifted[days[32]] == pytest.approx((9.0 - 1.0) / 0.2)


def test_a_spread_of_zero_is_not_drift(audit, evaluate):
    for day in FRIDAYS:
        evaluate(day, score_std=0.0)
    evaluate(NEXT_FRIDAY, score_mean=9.0)
    assert anomalies(audit) == []


def test_the_median_is_that_of_eight_weeks(audit, ingest):
    days = [(date(2026, 1, 2) + timedelta(weeks=number)).isoformat() for number in range(12)]
    for day, usual in zip(days, [10_000] * 3 + [100] * 8 + [201], strict=True):
        ingest(day, usual)
    assert [row for row in anomalies(audit) if row[1] == days[11]] == [("records", days[11], 201, 50, 200)]


def test_failures_are_ignored(audit, journal, ingest):
    for day in FRIDAYS:
        fail(journal, RAW.asset, day=day, run_id=f"failed-{day}")
        ingest(day, 100)
    fail(journal, RAW.asset, day=NEXT_FRIDAY, run_id="failed-last")
    assert anomalies(audit) == []


def test_an_anomaly_names_its_run_and_object(audit, evaluate):
    evaluate(FRIDAYS[0], anomaly_rate=0.5)
    (found,) = audit.anomalies()
    assert (found["run_id"], found["uri"]) == (f"run-{FRIDAYS[0]}", f"s3://cybersec-ml-eval/eval-{FRIDAYS[0]}")


@pytest.fixture
def lineage(journal):
    """Record a day from two files to its model, and return the model."""
    phase = start(journal, RAW.asset)
    phase.inputs += [{"file": f"/logs/{name}.log", "size": 7, "sha256": name * 64} for name in "ab"]
    phase.facts |= facts_of(RAW.asset)
    raw = make_object("raw-1")
    journal.succeed(phase, raw)
    silver = succeed(journal, SILVER.asset, "silver-1", inputs=[(RAW.asset, raw)])
    return succeed(journal, MODEL.asset, "model-1", inputs=[(SILVER.asset, silver)])


def test_a_model_has_a_row_for_each_source_file(database, lineage):
    query = "SELECT model, raw, silver, file, file_size, file_sha256 FROM audit_models ORDER BY file"
    rows = database.statement(lambda connection: connection.exec_driver_sql(query).all())
    objects = (lineage.uri, "s3://bucket/raw-1", "s3://bucket/silver-1")
    assert [tuple(row) for row in rows] == [(*objects, f"/logs/{name}.log", 7, name * 64) for name in "ab"]


def models(database, columns):
    """Return some columns of the view, each row once."""
    query = f"SELECT DISTINCT {columns} FROM audit_models ORDER BY 1"
    return [tuple(row) for row in database.statement(lambda connection: connection.exec_driver_sql(query).all())]


def test_a_model_has_parameters_versions_and_hashes(database):
    journal = Journal(database, {"code_version": "1+ab", "libraries": {"numpy": "2.0"}})
    raw = succeed(journal, RAW.asset, "raw-1", records=12)
    silver = succeed(journal, SILVER.asset, "silver-1", inputs=[(RAW.asset, raw)], records=11)
    phase = start(journal, MODEL.asset)
    phase.read(SILVER.asset, silver)
    phase.facts |= {"records": 10, "parameters": {"n_estimators": 100, "features": ["bytes", "duration"]}}
    model = make_object("model-1")
    journal.succeed(phase, model)
    made_with = ({"n_estimators": 100, "features": ["bytes", "duration"]}, ["bytes", "duration"], "1+ab")
    assert models(database, "parameters, features, code_version") == [made_with]
    assert models(database, "libraries ->> 'numpy'") == [("2.0",)]
    assert models(database, "records, silver_records, raw_records") == [(10, 11, 12)]
    hashes = tuple(made.fingerprint.sha256 for made in (model, silver, raw))
    assert models(database, "model_sha256, silver_sha256, raw_sha256") == [hashes]


def test_a_model_has_its_own_lineage(database, journal):
    """There are two runs of the day, and a failed training."""
    made = []
    for number in (1, 2):
        raw = succeed(journal, RAW.asset, f"raw-{number}", run_id=f"run-{number}")
        silver = succeed(journal, SILVER.asset, f"silver-{number}", run_id=f"run-{number}", inputs=[(RAW.asset, raw)])
        model = succeed(
            journal, MODEL.asset, f"model-{number}", run_id=f"run-{number}", inputs=[(SILVER.asset, silver)]
        )
        made.append((model.uri, silver.uri, raw.uri))
    fail(journal, MODEL.asset, run_id="run-3")
    assert models(database, "model, silver, raw") == made


def test_a_model_of_synthetic_flows_has_no_file(database, journal):
    raw = succeed(journal, RAW.asset, "raw-1")
    silver = succeed(journal, SILVER.asset, "silver-1", inputs=[(RAW.asset, raw)])
    model = succeed(journal, MODEL.asset, "model-1", inputs=[(SILVER.asset, silver)])
    assert models(database, "model, file, file_size, file_sha256") == [(model.uri, None, None, None)]


@pytest.mark.parametrize("asked", ["/logs/a.log", "a.log", "a" * 64])
def test_models_are_found_by_path_name_and_hash(audit, lineage, asked):
    assert [row["model"] for row in audit.models_from(asked)] == [lineage.uri]


@pytest.mark.parametrize("asked", ["log", "_.log", "%", "logs/c.log"])
def test_a_file_without_models_is_an_error(audit, lineage, asked):
    """Parts of names and patterns do not match."""
    assert lineage
    with pytest.raises(NoRecordError, match="no model that was trained on"):
        audit.models_from(asked)
