"""A launch is checked before a run starts: a few fields accept plain values within bounds."""

import datetime as dt
import traceback
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
import yaml
from dagster._core.execution.api import create_execution_plan
from dagster._core.snap.job_snapshot import JobSnap
from dagster._core.snap.snap_to_yaml import default_values_yaml_from_type_snap
from hypothesis import given
from hypothesis import settings as tries
from hypothesis import strategies as st

from cybersec_assets.definitions import audit_from, build_definitions
from cybersec_assets.defs.partitions import yesterday
from cybersec_assets.defs.resources.launch import fixed, fixed_io_manager
from cybersec_assets.errors import SettingsError
from cybersec_assets_tests.conftest import DAY

SECRET = "q4Vr-hush-hush-8sLw"
FIXED = ("store", "audit", "heads", "scratch", "parquet_io_manager", "model_io_manager", "io_manager")
FLOW_FIELDS = ("uri", "format", "columns", "synthetic_flows")
SHARES = {
    "raw__network_events": ("max_outside_day", "max_rejected_share"),
    "gold__evaluation": ("min_anomaly_rate", "max_anomaly_rate"),
}


@pytest.fixture
def jobs(settings):
    """Return the job and the implicit job of asset selections."""
    return jobs_of(build_definitions(settings))


def jobs_of(definitions):
    """Return the job and the implicit job."""
    keys = definitions.resolve_asset_graph().get_all_asset_keys()
    implicit = definitions.get_repository_def().get_implicit_job_def_for_assets(keys)
    return [definitions.resolve_job_def("daily_training"), implicit]


def refusal(job, config):
    """Return the error of a launch before a run is created; None if it is accepted."""
    with dg.DagsterInstance.ephemeral() as instance:
        try:
            create_execution_plan(job, config, tags={"dagster/partition": DAY}, instance_ref=None)
        except (dg.DagsterInvalidConfigError, SettingsError) as error:
            return str(error)
        finally:
            assert instance.get_runs_count() == 0
    return None


def of_resource(key, **config):
    """Return a run's config for one resource."""
    return {"resources": {key: {"config": config}}}


def test_the_launchpad_offers_the_fields_that_a_launch_may_set(jobs):
    """The default config has the source, the limits and the feature set, and nothing else."""
    for job in jobs:
        snap = JobSnap.from_job_def(job)
        root = snap.config_schema_snapshot.get_config_snap(snap.mode_def_snaps[0].root_config_key)
        offered = yaml.safe_load(default_values_yaml_from_type_snap(snap.config_schema_snapshot, root))
        assert set(offered) == {"ops", "resources"}
        assert {key: set(value["config"]) for key, value in offered["resources"].items()} == {
            "flow_source": set(FLOW_FIELDS),
            "detector": {"feature_set"},
        }
        assert {key: set(value["config"]) for key, value in offered["ops"].items()} == {
            op: set(names) for op, names in SHARES.items()
        }


def test_the_default_config_is_accepted(jobs):
    assert [refusal(job, {}) for job in jobs] == [None, None]


@pytest.mark.parametrize("key", FIXED)
@pytest.mark.parametrize(
    "config", [{"home": "/elsewhere"}, {"host": "elsewhere"}, {"base_dir": {"env": "PG_PASSWORD"}}]
)
def test_stores_audit_and_heads_cannot_be_changed(jobs, key, config):
    """The launch is refused, and no run is created."""
    for job in jobs:
        assert "unexpected config entry" in refusal(job, of_resource(key, **config))


@pytest.mark.parametrize("field", ["s3_endpoint", "s3_access_key", "s3_secret_key", "pseudonym_key", "store"])
def test_the_keys_of_the_source_cannot_be_changed(jobs, field):
    """The server of s3:// and its keys come from the environment."""
    for job in jobs:
        assert field in refusal(job, of_resource("flow_source", **{field: "x"}))


@pytest.mark.parametrize("field", FLOW_FIELDS)
def test_no_field_resolves_a_variable(jobs, monkeypatch, field):
    """`{env: NAME}`, which Dagster's own fields resolve, is refused."""
    monkeypatch.setenv("ANY_NAME", SECRET)
    for job in jobs:
        error = refusal(job, of_resource("flow_source", **{field: {"env": "ANY_NAME"}}))
        assert error is not None
        assert SECRET not in error


@pytest.mark.parametrize(
    "where",
    [
        {"execution": {"config": {"retries": {"enabled": {}}}}},
        {"loggers": {"console": {"config": {"name": "x"}}}},
        {"ops": {"silver__network_events": {"config": {"a": 1}}}},
    ],
)
def test_executor_logger_and_ops_take_nothing_else(jobs, where):
    """No other part of a run's config accepts a text."""
    for job in jobs:
        assert refusal(job, where) is not None


@tries(max_examples=50, deadline=None)
@given(before=st.text(max_size=20), after=st.text(max_size=20), field=st.sampled_from(["uri", "columns"]))
def test_a_value_with_a_secret_in_it_is_refused_without_quoting_it(before, after, field):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUDIT_SIGNING_KEY", SECRET)
        for job in jobs_of(DEFINITIONS):
            error = refusal(job, of_resource("flow_source", **{field: before + SECRET + after}))
            assert error is not None
            assert SECRET not in error


def test_a_short_secret_is_only_refused_as_the_whole_value(jobs, monkeypatch):
    """A password of one letter does not make every path with that letter a secret."""
    monkeypatch.setenv("PG_PASSWORD", "a")
    assert refusal(jobs[0], of_resource("flow_source", uri="a")) is not None
    assert refusal(jobs[0], of_resource("flow_source", uri="/data/{date}.log")) is None


def test_a_refusal_names_the_field(jobs, monkeypatch):
    monkeypatch.setenv("PG_PASSWORD", SECRET)
    for field in ("uri", "columns"):
        assert f"`{field}`" in refusal(jobs[0], of_resource("flow_source", **{field: f"x{SECRET}"}))


def test_an_access_key_id_may_name_a_bucket(jobs, monkeypatch):
    """A bucket and its access key often have the same name."""
    monkeypatch.setenv("MINIO_ACCESS_KEY", "flowlogs")
    assert refusal(jobs[0], of_resource("flow_source", uri="s3://flowlogs/{date}.csv")) is None


def test_the_environments_own_values_are_not_refused(make_settings, monkeypatch):
    """Defaults, and a launch that repeats them, are accepted even if they contain a secret."""
    monkeypatch.setenv("MINIO_SECRET_KEY", "flowlogs-own")
    uri = "/tmp/flowlogs-own/a.csv"
    columns = '{"bytes": "flowlogs-own"}'
    own = make_settings(flows_uri=uri, flows_columns=columns)
    for job in jobs_of(build_definitions(own)):
        assert refusal(job, {}) is None
        assert refusal(job, of_resource("flow_source", uri=uri, columns=columns)) is None
        assert refusal(job, of_resource("flow_source", uri=f"{uri}.gz")) is not None
        assert refusal(job, of_resource("flow_source", uri=columns)) is not None


@pytest.mark.parametrize("define", [fixed, fixed_io_manager])
def test_an_error_while_a_resource_is_made_has_no_secret(monkeypatch, define):
    monkeypatch.setenv("PG_PASSWORD", SECRET)

    def make(_resources):
        raise ValueError(f"bad {SECRET}")

    with pytest.raises(dg.DagsterResourceFunctionError) as caught, dg.build_resources({"it": define(make)}):
        pass
    shown = "".join(traceback.format_exception(caught.value))
    assert "ValueError: bad [redacted]" in shown
    assert SECRET not in shown


outside = st.one_of(st.floats(max_value=-1e-9), st.floats(min_value=1.000001), st.just(float("nan")))


@tries(max_examples=50, deadline=None)
@given(op=st.sampled_from(list(SHARES)), which=st.integers(0, 1), value=outside)
def test_a_share_out_of_bounds_is_refused_at_launch(op, which, value):
    config = {"ops": {op: {"config": {SHARES[op][which]: value}}}}
    assert all("a number from 0 to 1" in refusal(job, config) for job in jobs_of(DEFINITIONS))


@pytest.mark.parametrize("value", [-1, 0, 10**12])
def test_a_count_out_of_bounds_is_refused_at_launch(jobs, value):
    assert "an integer from 1" in refusal(jobs[0], of_resource("flow_source", synthetic_flows=value))


@pytest.mark.parametrize(
    "config", [of_resource("detector", feature_set="huge"), of_resource("flow_source", format="bro")]
)
def test_an_unknown_choice_is_refused_at_launch(jobs, config):
    for job in jobs:
        assert "not in enum type" in refusal(job, config)


@pytest.mark.parametrize("partition", ["2031-01-01", "2024-12-31", "no-day", "2026-1-2"])
def test_a_day_without_a_partition_leaves_no_row(settings, partition):
    """The run fails, and the audit has no phase of it."""
    assert_no_phase(settings, {"dagster/partition": partition})


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_a_day_is_over_at_the_midnight_of_its_zone(make_settings, materialize, zone):
    """The zones are 14 hours ahead of UTC and 11 behind, so that at any hour one of them has another yesterday."""
    settings = make_settings(flows_timezone=zone)
    last = yesterday(ZoneInfo(zone), dt.datetime.now(dt.UTC))
    result, rows = materialize(settings, partition_key=last)
    assert result.success
    assert [row["estado"] for row in rows] == ["SUCCESS"] * 4
    following = dt.date.fromisoformat(last) + dt.timedelta(days=1)
    other = make_settings(flows_timezone=zone, pg_database=f"{settings.postgres.database}_2")
    assert_no_phase(other, {"dagster/partition": following.isoformat()})


def test_a_launch_without_a_partition_leaves_no_row(settings):
    assert_no_phase(settings, {})


def assert_no_phase(settings, tags):
    """Require that runs of the whole graph and of training alone fail before a phase starts."""
    for keys in (["raw", "network_events"], ["gold", "isolation_forest"]):
        selection = [dg.AssetKey(keys)]
        job = build_definitions(settings).resolve_job_def("daily_training").get_subset(asset_selection=set(selection))
        with dg.DagsterInstance.ephemeral() as instance:
            try:
                assert not job.execute_in_process(instance=instance, tags=tags, raise_on_error=False).success
            except ValueError:
                # Dagster creates no run for a key that is not a date.
                assert instance.get_runs_count() == 0
    with audit_from(settings).session() as audit:
        assert audit.ask().failures() == []
        assert audit.ask().last_run() == []


DEFINITIONS = build_definitions()
