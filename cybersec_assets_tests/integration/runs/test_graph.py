"""The whole graph on an ephemeral instance, and its records in audit, store and Dagster."""

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
    """Each phase has one SUCCESS row, which names an object with the contract's name and bucket."""
    result, rows = materialize(settings)
    assert result.success
    assert [(row["estado"], row["records"]) for row in rows] == [("SUCCESS", 2_000)] * 4
    stems = ["raw/network_events", "silver/network_events_silver", "models/model_isoforest", "eval/eval"]
    for row, stem in zip(rows, stems, strict=True):
        assert row["uri"].startswith(f"s3://cybersec-ml-{stem}_20")
        assert (settings.home / "store" / row["uri"].removeprefix("s3://")).is_file()
    assert list(settings.run.scratch.iterdir()) == []


def test_metadata_of_materializations(settings, materialize):
    """Every materialization has rows, object, size, hash and duration. Tables also have a schema and a preview."""
    result, _ = materialize(settings)
    by_asset = metadata_of(result)
    for metadata in by_asset.values():
        assert {"dagster/partition_row_count", "dagster/uri", "size", "sha256", "duration"} <= set(metadata)
    for asset in (phases.RAW.asset, phases.SILVER.asset, phases.EVALUATION.asset):
        assert {"dagster/column_schema", "preview"} <= set(by_asset[asset])
    for asset, plot in ((phases.RAW.asset, "volume_per_hour"), (phases.EVALUATION.asset, "score_histogram")):
        assert by_asset[asset][plot].value.startswith("![plot](data:image/png;base64,iVBOR")
    measured = {"anomaly_rate", "score_mean", "score_std", "score_q50", "auroc", "average_precision"}
    assert measured | {"precision_at_100"} <= set(by_asset[phases.EVALUATION.asset])


def metadata_of(result):
    """Return the metadata of a run's materializations, by asset."""
    events = [event for event in result.all_events if event.is_step_materialization]
    return {event.asset_key.to_user_string(): event.materialization.metadata for event in events}


def test_checks_report_the_value_of_each_rule(settings, materialize):
    """Every rule is a passed asset check with its value."""
    result, _ = materialize(settings)
    checks = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert set(checks) == {
        *("not_empty", "no_missing_values", "within_day", "no_negative_volumes", "lines_parse"),
        *("rows_accounted_for", "anomaly_rate_in_band", "past_days_unchanged"),
    }
    assert all(check.passed for check in checks.values())
    assert checks["not_empty"].metadata["value"].value == 2_000


def test_an_anomaly_rate_outside_of_its_band_warns(settings, materialize):
    """The run succeeds, and the check warns."""
    config = {"ops": {"gold__evaluation": {"config": {"max_anomaly_rate": 0.0}}}}
    result, _ = materialize(settings, run_config=config)
    (check,) = [c for c in result.get_asset_check_evaluations() if c.check_name == "anomaly_rate_in_band"]
    assert result.success
    assert (check.passed, check.severity) == (False, dg.AssetCheckSeverity.WARN)


def test_the_model_is_trained_as_the_contract_says(settings, materialize):
    """`parametros` has the forest's parameters and features. The evaluation's row has metrics and their range."""
    materialize(settings)
    with audit_from(settings).session() as audit, audit.connect().engine.connect() as connection:
        (stored,) = connection.execute(sa.text("SELECT parametros FROM training_events")).scalars()
        (metrics,) = connection.execute(sa.text("SELECT metrics FROM evaluation_events")).scalars()
    parameters = json.loads(stored)
    assert parameters["features"] == ["bytes", "duration", "bytes_per_second"]
    forest = {name: parameters[name] for name in ("n_estimators", "contamination", "random_state")}
    assert forest == {"n_estimators": 100, "contamination": "auto", "random_state": 42}
    assert (parameters["feature_set"], parameters["scikit_learn"]) == ("basic", sklearn.__version__)
    assert 0 < metrics["anomaly_rate"] < 1
    assert (metrics["min_anomaly_rate"], metrics["max_anomaly_rate"]) == (0.0, 0.6)


def test_feature_set_selects_the_extended_features(make_settings, materialize):
    settings = make_settings(feature_set="extended")
    result, _ = materialize(settings)
    by_asset = metadata_of(result)
    assert "orig_packets" in by_asset[phases.MODEL.asset]["parameters"].value["features"]


def test_a_single_asset_reads_the_object_of_an_earlier_run(settings, materialize):
    """Training in another run reads the earlier silver that the audit names."""
    _, first = materialize(settings)
    result, (row,) = materialize(settings, ["gold/isolation_forest"])
    assert result.success
    assert [entry["uri"] for entry in row["inputs"]] == [first[1]["uri"]]


def test_evaluation_alone_reads_the_silver_that_trained_the_model(settings, materialize):
    """A newer silver object is not used with an older model."""
    _, first = materialize(settings)
    materialize(settings, ["silver/network_events"])
    result, (row,) = materialize(settings, ["gold/evaluation"])
    assert result.success
    assert {entry["uri"] for entry in row["inputs"]} == {first[1]["uri"], first[2]["uri"]}


def test_evaluation_uses_one_lineage_despite_a_concurrent_model(settings, materialize, monkeypatch):
    """A model that another run stores while the inputs are loaded is not used."""
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


def test_a_real_day_keeps_every_row(make_settings, materialize, shared_data):
    """Unset volumes of real hourly logs stay null in raw and are 0 in silver."""
    uri = f"{shared_data}/zeek-hourly/three-days/2024-04-19/conn.*.log.gz"
    config = {"ops": {"raw__network_events": {"config": {"max_outside_day": 1.0}}}}
    settings = make_settings(flows_uri=uri, cybersec_start_date=dt.date(2024, 4, 19))
    _, rows = materialize(settings, ["raw/network_events", "silver/network_events"], config)
    assert [row["records"] for row in rows] == [31_367, 31_367]
    raw, silver = (pl.scan_parquet(settings.home / "store" / row["uri"].removeprefix("s3://")) for row in rows)
    unset = sum(count_unset(path) for path in (shared_data / "zeek-hourly/three-days/2024-04-19").iterdir())
    assert raw.select(pl.col("bytes").null_count()).collect().item() == unset > 0
    assert silver.select(pl.col("bytes").null_count()).collect().item() == 0
    assert len(rows[0]["inputs"]) == 24


def count_unset(path):
    """Return how many records have no volume in either direction."""
    with gzip.open(path, "rt") as lines:
        records = [line.split("\t") for line in lines if not line.startswith("#")]
    return sum(fields[10] == fields[11] == "-" for fields in records)
