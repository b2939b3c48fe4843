"""The whole graph on an ephemeral instance, and what audit, store and Dagster say of it afterwards."""

import datetime as dt
import gzip
import json

import dagster as dg
import polars as pl
import sklearn
import sqlalchemy as sa

from cybersec_assets import phases
from cybersec_assets.definitions import audit_from
from cybersec_assets.defs.io_managers import AuditedIOManager


def test_a_day_becomes_four_audited_objects(settings, materialize):
    """Each phase ends with one SUCCESS row that names an object of the contract's name in the contract's bucket."""
    result, rows = materialize(settings)
    assert result.success
    assert [(row["estado"], row["records"]) for row in rows] == [("SUCCESS", 2_000)] * 4
    stems = ["raw/network_events", "silver/network_events_silver", "models/model_isoforest", "eval/eval"]
    for row, stem in zip(rows, stems, strict=True):
        assert row["uri"].startswith(f"s3://cybersec-ml-{stem}_20")
        assert (settings.cybersec_home / "store" / row["uri"].removeprefix("s3://")).is_file()
    assert list(settings.cybersec_scratch.iterdir()) == []


def test_materializations_tell_what_a_person_asks(settings, materialize):
    """Every materialization carries rows, object, size, hash and duration; tables a schema and a preview."""
    result, _ = materialize(settings)
    told = metadata_of(result)
    for metadata in told.values():
        assert {"dagster/partition_row_count", "dagster/uri", "size", "sha256", "duration"} <= set(metadata)
    for asset in (phases.RAW.asset, phases.SILVER.asset, phases.EVALUATION.asset):
        assert {"dagster/column_schema", "preview"} <= set(told[asset])
    for asset, plot in ((phases.RAW.asset, "volume_per_hour"), (phases.EVALUATION.asset, "score_histogram")):
        assert told[asset][plot].value.startswith("![plot](data:image/png;base64,iVBOR")
    measured = {"anomaly_rate", "score_mean", "score_std", "score_q50", "auroc", "average_precision"}
    assert measured | {"precision_at_100"} <= set(told[phases.EVALUATION.asset])


def metadata_of(result):
    """Give the metadata of a run's materializations, by asset."""
    events = [event for event in result.all_events if event.is_step_materialization]
    return {event.asset_key.to_user_string(): event.materialization.metadata for event in events}


def test_checks_report_the_rules_with_their_figures(settings, materialize):
    """Every rule is an asset check that passed, with the number it looked at."""
    result, _ = materialize(settings)
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert set(checks) == {
        *("not_empty", "no_missing_values", "within_day", "no_negative_volumes", "lines_parse"),
        *("rows_accounted_for", "anomaly_rate_in_band", "past_days_unchanged"),
    }
    assert all(check.passed for check in checks.values())
    assert checks["not_empty"].metadata["value"].value == 2_000


def test_an_anomaly_rate_outside_of_its_band_warns(settings, materialize):
    """A strange day is a finding and not a fault: the run succeeds, and the check warns."""
    config = {"ops": {"gold__evaluation": {"config": {"max_anomaly_rate": 0.0}}}}
    result, _ = materialize(settings, run_config=config)
    (check,) = [c for c in result.get_asset_check_evaluations() if c.check_name == "anomaly_rate_in_band"]
    assert result.success
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)


def test_the_model_is_trained_as_the_contract_says(settings, materialize):
    """`parametros` tells the forest's parameters and the features; the evaluation's row has metrics and their band."""
    materialize(settings)
    with audit_from(settings).session() as audit, audit.connect().engine.connect() as connection:
        (told,) = connection.execute(sa.text("SELECT parametros FROM training_events")).scalars()
        (metrics,) = connection.execute(sa.text("SELECT metrics FROM evaluation_events")).scalars()
    parameters = json.loads(told)
    assert parameters["features"] == ["bytes", "duration", "bytes_per_second"]
    forest = {name: parameters[name] for name in ("n_estimators", "contamination", "random_state")}
    assert forest == {"n_estimators": 100, "contamination": "auto", "random_state": 42}
    assert (parameters["feature_set"], parameters["scikit_learn"]) == ("basic", sklearn.__version__)
    assert 0 < metrics["anomaly_rate"] < 1
    assert (metrics["min_anomaly_rate"], metrics["max_anomaly_rate"]) == (0.0, 0.6)


def test_the_extended_features_are_used_where_they_are_asked_for(make_settings, materialize):
    """FEATURE_SET chooses the columns that the model is trained on."""
    settings = make_settings(feature_set="extended")
    result, _ = materialize(settings)
    told = metadata_of(result)
    assert "orig_packets" in told[phases.MODEL.asset]["parameters"].value["features"]


def test_a_single_asset_picks_up_what_an_earlier_run_made(settings, materialize):
    """Training alone, in another run, reads the earlier silver by the audit's word."""
    _, first = materialize(settings)
    result, (row,) = materialize(settings, ["gold/isolation_forest"])
    assert result.success
    assert [entry["uri"] for entry in row["inputs"]] == [first[1]["uri"]]


def test_evaluation_alone_reads_the_silver_that_trained_the_model(settings, materialize):
    """A newer silver does not come between a model and the data it was trained on."""
    _, first = materialize(settings)
    materialize(settings, ["silver/network_events"])
    result, (row,) = materialize(settings, ["gold/evaluation"])
    assert result.success
    assert {entry["uri"] for entry in row["inputs"]} == {first[1]["uri"], first[2]["uri"]}


def test_evaluation_is_of_one_lineage_though_a_new_model_comes_between(settings, materialize, monkeypatch):
    """A model that another run makes between the loading of model and silver does not mix in."""
    _, first = materialize(settings)
    load = AuditedIOManager.load_input

    def load_slowly(manager, context):
        loaded = load(manager, context)
        if context.asset_key.to_user_string() == phases.MODEL.asset:
            monkeypatch.setattr(AuditedIOManager, "load_input", load)
            materialize(settings, ["silver/network_events", "gold/isolation_forest"])
        return loaded

    monkeypatch.setattr(AuditedIOManager, "load_input", load_slowly)
    result, (row,) = materialize(settings, ["gold/evaluation"])
    assert result.success
    assert {entry["uri"] for entry in row["inputs"]} == {first[1]["uri"], first[2]["uri"]}


def test_a_real_days_rows_are_all_there(make_settings, materialize, shared_data):
    """A day of real hourly logs gives exactly its rows; the empty volumes stay null in raw and are 0 in silver."""
    uri = f"{shared_data}/zeek-hourly/three-days/2024-04-19/conn.*.log.gz"
    config = {"ops": {"raw__network_events": {"config": {"max_outside_day": 1.0}}}}
    settings = make_settings(flows_uri=uri, cybersec_start_date=dt.date(2024, 4, 19))
    _, rows = materialize(settings, ["raw/network_events", "silver/network_events"], config)
    assert [row["records"] for row in rows] == [31_367, 31_367]
    raw, silver = (pl.scan_parquet(settings.cybersec_home / "store" / row["uri"].removeprefix("s3://")) for row in rows)
    unset = sum(count_unset(path) for path in (shared_data / "zeek-hourly/three-days/2024-04-19").iterdir())
    assert raw.select(pl.col("bytes").null_count()).collect().item() == unset > 0
    assert silver.select(pl.col("bytes").null_count()).collect().item() == 0
    assert len(rows[0]["inputs"]) == 24


def count_unset(path):
    """Count a log's records in which both directions' volumes are unset."""
    with gzip.open(path, "rt") as lines:
        records = [line.split("\t") for line in lines if not line.startswith("#")]
    return sum(fields[10] == fields[11] == "-" for fields in records)
