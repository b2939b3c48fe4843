"""What is stored is audited, and what is loaded is what the audit names."""

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
    """The project's resources, alive for one test."""
    with dg.build_resources(build_resources(settings)) as resources:
        yield resources


def output_of(key):
    """Say that an asset's output is to be stored."""
    return dg.build_output_context(asset_key=key, partition_key=DAY)


def input_of(key, reader):
    """Say that an asset is to be loaded by another."""
    op = dg.OpDefinition(lambda: None, name=reader.replace("/", "__"))
    return dg.build_input_context(
        asset_key=key,
        asset_partition_key_range=dg.PartitionKeyRange(DAY, DAY),
        asset_partitions_def=daily_partitions(dt.date(2026, 1, 1)),
        op_def=op,
    )


def store_raw(parts, rows=2):
    """Store a table as the raw layer."""
    with parts.audit.phase(phases.RAW.asset, DAY) as phase:
        phase.facts["records"] = rows
    context = output_of(RAW_KEY)
    parts.parquet_io_manager.handle_output(context, TABLE)
    return {name: value.value for name, value in context.get_logged_metadata().items()}


def test_a_lazy_table_is_stored_audited_and_loaded(parts, settings):
    """What is handed over lazily comes back lazily, from one object that a SUCCESS row names."""
    metadata = store_raw(parts)
    (file,) = stored_files(settings)
    (row,) = parts.audit.ask().records()
    assert row["uri"] == metadata["dagster/uri"] == f"s3://cybersec-ml-raw/{file.name}"
    assert (row["sha256"], row["size_bytes"]) == (metadata["sha256"], file.stat().st_size)
    loaded = parts.parquet_io_manager.load_input(input_of(RAW_KEY, phases.SILVER.asset))
    assert isinstance(loaded, pl.LazyFrame)
    assert loaded.collect().equals(TABLE.collect())


def test_a_file_in_scratch_is_stored_as_it_is(parts, settings, tmp_path):
    """A Parquet file that the body wrote is stored byte for byte."""
    file = tmp_path / "mine.parquet"
    TABLE.sink_parquet(file)
    content = file.read_bytes()
    with parts.audit.phase(phases.RAW.asset, DAY) as phase:
        phase.facts["records"] = 2
    parts.parquet_io_manager.handle_output(output_of(RAW_KEY), file)
    assert stored_files(settings)[0].read_bytes() == content


def test_the_same_run_reads_its_own_copy(parts, settings):
    """Within a run nothing is fetched again: the object may even be gone from the store."""
    store_raw(parts)
    stored_files(settings)[0].unlink()
    assert parts.parquet_io_manager.load_input(input_of(RAW_KEY, phases.SILVER.asset)).collect().height == 2


def test_a_spoilt_copy_is_not_trusted(parts, settings):
    """A scratch copy whose bytes are not the audit's is fetched anew."""
    store_raw(parts)
    (copy,) = settings.cybersec_scratch.rglob("network_events_2*.parquet")
    copy.write_bytes(b"spoilt")
    assert parts.parquet_io_manager.load_input(input_of(RAW_KEY, phases.SILVER.asset)).collect().height == 2


def test_another_run_fetches_what_the_audit_names(parts, settings):
    """In another run the object is fetched, and its reading is noted as an input of the reader's phase."""
    store_raw(parts)
    with dg.build_resources(build_resources(settings)) as later:
        assert later.parquet_io_manager.load_input(input_of(RAW_KEY, phases.SILVER.asset)).collect().height == 2
        with later.audit.phase(phases.SILVER.asset, DAY) as phase:
            assert [entry["asset"] for entry in phase.inputs] == [phases.RAW.asset]


def test_a_changed_object_is_refused_before_it_is_read(parts, settings):
    """An object whose bytes were changed fails the reader's phase, by name."""
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
    """Where the audit knows no success, the reader's phase fails and says what to materialize."""
    with pytest.raises(dg.Failure, match="no success of raw/network_events"):
        parts.parquet_io_manager.load_input(input_of(RAW_KEY, phases.SILVER.asset))
    assert [row["asset"] for row in parts.audit.ask().failures()] == [phases.SILVER.asset]


def test_nothing_is_a_success_that_failed_afterwards(parts, settings, monkeypatch):
    """Where the run's own copy cannot be kept the phase fails, instead of failing after its SUCCESS was written."""
    monkeypatch.setattr(type(parts.scratch), "place_of", lambda *_: settings.cybersec_home / "no" / "such" / "folder")
    with pytest.raises(dg.Failure, match="CYBERSEC_SCRATCH"):
        store_raw(parts)
    assert (len(parts.audit.ask().records()), len(parts.audit.ask().failures())) == (0, 1)


def test_a_store_that_refuses_fails_the_phase(parts, settings):
    """Where the object cannot be stored there is a FAILED row and no object."""
    settings.cybersec_home.mkdir(exist_ok=True)
    (settings.cybersec_home / "store").write_text("in the way")
    with pytest.raises(dg.Failure, match="refused"):
        store_raw(parts)
    assert [row["uri"] for row in parts.audit.ask().failures()] == [""]


def store_model(parts, **told):
    """Store a model, and say of it what is true or what is told."""
    model = train(FEATURES)
    made_with = {"feature_set": "basic", **parameters(model)} | told
    with parts.audit.phase(phases.MODEL.asset, DAY) as phase:
        phase.facts |= {"records": FEATURES.height, "parameters": made_with}
    parts.model_io_manager.handle_output(output_of(MODEL_KEY), model)
    return model


def test_a_model_comes_back_as_it_was(parts):
    """A pipeline is pickled, stored and unpickled, and scores as before."""
    model = store_model(parts)
    loaded = parts.model_io_manager.load_input(input_of(MODEL_KEY, phases.EVALUATION.asset))
    assert np.array_equal(loaded.score_samples(FEATURES), model.score_samples(FEATURES))


def test_a_models_bytes_are_checked_before_they_are_unpickled(parts, settings, monkeypatch):
    """Bytes that are not the audit's never reach the unpickler, even where the file was swapped after its check."""
    store_model(parts)
    (copy,) = settings.cybersec_scratch.rglob("model_isoforest_2*.pkl")
    monkeypatch.setattr(type(parts.model_io_manager), "_copy_of", lambda _self, _artifact: copy)
    monkeypatch.setattr("pickle.load", lambda _file: pytest.fail("unpickled unchecked bytes"))
    copy.write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(dg.Failure, match="but the audit recorded"):
        parts.model_io_manager.load_input(input_of(MODEL_KEY, phases.EVALUATION.asset))


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"scikit_learn": "0.1"}, "trained by scikit-learn 0.1"),
        ({"features": ["bytes"]}, "the model has the features"),
        ({"feature_set": "huge"}, "'huge' is unknown"),
    ],
)
def test_a_model_that_does_not_fit_is_never_unpickled(parts, monkeypatch, told, said):
    """What the training row tells is compared first: a model of another program fails the reader, unopened."""
    store_model(parts, **told)
    monkeypatch.setattr("pickle.load", lambda _file: pytest.fail("unpickled a model that does not fit"))
    with pytest.raises(dg.Failure, match=said):
        parts.model_io_manager.load_input(input_of(MODEL_KEY, phases.EVALUATION.asset))
    assert [row["asset"] for row in parts.audit.ask().failures()] == [phases.EVALUATION.asset]
