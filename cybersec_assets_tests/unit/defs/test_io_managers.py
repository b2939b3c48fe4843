"""The audit names every stored object, and only objects that the audit names are loaded."""

import datetime as dt

import dagster as dg
import numpy as np
import polars as pl
import pytest

from cybersec_assets import phases
from cybersec_assets.definitions import build_resources
from cybersec_assets.defs.assets.gold import MODEL_KEY
from cybersec_assets.defs.assets.raw import RAW_KEY
from cybersec_assets.defs.partitions import daily_partitions
from cybersec_assets.features import feature_names
from cybersec_assets.model.train import parameters, train
from cybersec_assets_tests.conftest import DAY, stored_files

TABLE = pl.LazyFrame({"timestamp": [1, 2], "src_ip": ["a", "b"]})
FEATURES = pl.DataFrame({name: np.arange(300.0) for name in feature_names("basic")})


@pytest.fixture
def parts(settings):
    """Yield the project's resources."""
    with dg.build_resources(build_resources(settings)) as resources:
        yield resources


def output_of(key):
    """Return the context of an asset's output."""
    return dg.build_output_context(asset_key=key, partition_key=DAY)


def input_of(key, reader):
    """Return the context of an asset that another one reads."""
    op = dg.OpDefinition(lambda: None, name=reader.replace("/", "__"))
    return dg.build_input_context(
        asset_key=key,
        asset_partition_key_range=dg.PartitionKeyRange(DAY, DAY),
        asset_partitions_def=daily_partitions(dt.date(2026, 1, 1)),
        op_def=op,
    )


def store_raw(parts, rows=2):
    """Store a table as the raw layer; return its metadata."""
    with parts.audit.phase(phases.RAW.asset, DAY) as phase:
        phase.facts["records"] = rows
    context = output_of(RAW_KEY)
    parts.parquet_io_manager.handle_output(context, TABLE)
    return {name: value.value for name, value in context.get_logged_metadata().items()}


def test_a_lazy_table_is_stored_audited_and_loaded(parts, settings):
    """A LazyFrame becomes one object, which a SUCCESS row names, and is loaded as a LazyFrame."""
    metadata = store_raw(parts)
    (file,) = stored_files(settings)
    (row,) = parts.audit.ask().records()
    assert row["uri"] == metadata["dagster/uri"] == f"s3://cybersec-ml-raw/{file.name}"
    assert (row["sha256"], row["size_bytes"]) == (metadata["sha256"], file.stat().st_size)
    loaded = parts.parquet_io_manager.load_input(input_of(RAW_KEY, phases.SILVER.asset))
    assert isinstance(loaded, pl.LazyFrame)
    assert loaded.collect().equals(TABLE.collect())


def test_a_file_in_scratch_is_stored_as_it_is(parts, settings, tmp_path):
    file = tmp_path / "mine.parquet"
    TABLE.sink_parquet(file)
    content = file.read_bytes()
    with parts.audit.phase(phases.RAW.asset, DAY) as phase:
        phase.facts["records"] = 2
    parts.parquet_io_manager.handle_output(output_of(RAW_KEY), file)
    assert stored_files(settings)[0].read_bytes() == content


def test_the_same_run_reads_its_own_copy(parts, settings):
    """Nothing is fetched, even if the object is missing from the store."""
    store_raw(parts)
    stored_files(settings)[0].unlink()
    assert parts.parquet_io_manager.load_input(input_of(RAW_KEY, phases.SILVER.asset)).collect().height == 2


def test_a_changed_copy_is_fetched_again(parts, settings):
    """A scratch copy with other bytes than the audit's is fetched again."""
    store_raw(parts)
    (copy,) = settings.run.scratch.rglob("network_events_2*.parquet")
    copy.write_bytes(b"spoilt")
    assert parts.parquet_io_manager.load_input(input_of(RAW_KEY, phases.SILVER.asset)).collect().height == 2


def test_another_run_fetches_what_the_audit_names(parts, settings):
    """The object is recorded as an input of the reader's phase."""
    store_raw(parts)
    with dg.build_resources(build_resources(settings)) as later:
        assert later.parquet_io_manager.load_input(input_of(RAW_KEY, phases.SILVER.asset)).collect().height == 2
        with later.audit.phase(phases.SILVER.asset, DAY) as phase:
            assert [entry["asset"] for entry in phase.inputs] == [phases.RAW.asset]


def test_a_changed_object_is_refused_before_it_is_read(parts, settings):
    """The reader's phase fails, and the error names the object."""
    store_raw(parts)
    (file,) = stored_files(settings)
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-1] + b"!")
    with (
        dg.build_resources(build_resources(settings)) as later,
        pytest.raises(dg.Failure, match=f"{file.name} is .* but the audit recorded"),
    ):
        later.parquet_io_manager.load_input(input_of(RAW_KEY, phases.SILVER.asset))
    (row,) = parts.audit.ask().failures()
    assert (row["asset"], file.name in row["error"]) == (phases.SILVER.asset, True)


def test_nothing_to_read_fails_the_reader(parts):
    """The error names the asset to materialize."""
    with pytest.raises(dg.Failure, match="no success of raw/network_events"):
        parts.parquet_io_manager.load_input(input_of(RAW_KEY, phases.SILVER.asset))
    assert [row["asset"] for row in parts.audit.ask().failures()] == [phases.SILVER.asset]


def test_no_error_can_follow_a_success(parts, settings, monkeypatch):
    """If the run's own copy cannot be kept, the phase fails before SUCCESS is written."""
    monkeypatch.setattr(type(parts.scratch), "path_of", lambda *_: settings.home / "no" / "such" / "folder")
    with pytest.raises(dg.Failure, match="CYBERSEC_SCRATCH"):
        store_raw(parts)
    assert (len(parts.audit.ask().records()), len(parts.audit.ask().failures())) == (0, 1)


def test_a_store_that_refuses_fails_the_phase(parts, settings):
    """There is a FAILED row and no object."""
    settings.home.mkdir(exist_ok=True)
    (settings.home / "store").write_text("in the way")
    with pytest.raises(dg.Failure, match=r"the object store in .* failed"):
        store_raw(parts)
    assert [row["uri"] for row in parts.audit.ask().failures()] == [""]


def store_model(parts, **changed):
    """Store a model whose training row has its parameters, some of them replaced."""
    model = train(FEATURES)
    made_with = {"feature_set": "basic", **parameters(model)} | changed
    with parts.audit.phase(phases.MODEL.asset, DAY) as phase:
        phase.facts |= {"records": FEATURES.height, "parameters": made_with}
    parts.model_io_manager.handle_output(output_of(MODEL_KEY), model)
    return model


def test_a_loaded_model_scores_as_before(parts):
    model = store_model(parts)
    loaded = parts.model_io_manager.load_input(input_of(MODEL_KEY, phases.EVALUATION.asset))
    assert np.array_equal(loaded.score_samples(FEATURES), model.score_samples(FEATURES))


def test_a_models_bytes_are_checked_before_they_are_unpickled(parts, settings, monkeypatch):
    """Other bytes never reach the unpickler, even if the file is replaced after its check."""
    store_model(parts)
    (copy,) = settings.run.scratch.rglob("model_isoforest_2*.pkl")
    monkeypatch.setattr(type(parts.model_io_manager), "_copy_of", lambda _self, _artifact: copy)
    monkeypatch.setattr("pickle.load", lambda _file: pytest.fail("unpickled unchecked bytes"))
    copy.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(dg.Failure, match="but the audit recorded"):
        parts.model_io_manager.load_input(input_of(MODEL_KEY, phases.EVALUATION.asset))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"scikit_learn": "0.1"}, "trained by scikit-learn 0.1"),
        ({"features": ["bytes"]}, "the model has the features"),
        ({"feature_set": "huge"}, "'huge' is unknown"),
    ],
)
def test_an_incompatible_model_is_never_unpickled(parts, monkeypatch, changed, message):
    """The training row is compared first. A model of another program fails the reader."""
    store_model(parts, **changed)
    monkeypatch.setattr("pickle.load", lambda _file: pytest.fail("unpickled a model that does not fit"))
    with pytest.raises(dg.Failure, match=message):
        parts.model_io_manager.load_input(input_of(MODEL_KEY, phases.EVALUATION.asset))
    assert [row["asset"] for row in parts.audit.ask().failures()] == [phases.EVALUATION.asset]
