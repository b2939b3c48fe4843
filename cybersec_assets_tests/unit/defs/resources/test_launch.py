"""What a launch may set is checked before a run begins: plain values within bounds, for a few fields."""

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
    """The job, and the one behind a selection of assets in the UI and in the shell."""
    return jobs_of(build_definitions(settings))


def jobs_of(definitions):
    """Return the job and the implicit one."""
    keys = definitions.resolve_asset_graph().get_all_asset_keys()
    implicit = definitions.get_repository_def().get_implicit_job_def_for_assets(keys)
    return [definitions.resolve_job_def("daily_training"), implicit]


def refusal(job, config):
    """Launch, and return the error that Dagster has before it makes a run; None where it would make one."""
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


def test_the_launchpad_opens_with_the_lines_that_a_person_edits(jobs):
    """The default config that the web server offers has the source, the limits and the feature set, no more."""
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


def test_what_it_offers_is_accepted(jobs):
    """A person who changes nothing launches what the environment says."""
    assert [refusal(job, {}) for job in jobs] == [None, None]


@pytest.mark.parametrize("key", FIXED)
@pytest.mark.parametrize(
    "config", [{"home": "/elsewhere"}, {"host": "elsewhere"}, {"base_dir": {"env": "PG_PASSWORD"}}]
)
def test_stores_audit_and_heads_cannot_be_changed(jobs, key, config):
    """A launch that sends the run's objects or its audit elsewhere is refused, and no run is made."""
    for job in jobs:
        assert "unexpected config entry" in refusal(job, of_resource(key, **config))


@pytest.mark.parametrize("field", ["s3_endpoint", "s3_access_key", "s3_secret_key", "pseudonym_key", "store"])
def test_the_keys_of_the_source_cannot_be_changed(jobs, field):
    """Where s3:// is read from, and with which keys, comes from the environment."""
    for job in jobs:
        assert field in refusal(job, of_resource("flow_source", **{field: "x"}))


@pytest.mark.parametrize("field", FLOW_FIELDS)
def test_no_field_resolves_a_variable(jobs, monkeypatch, field):
    """`{env: NAME}`, which Dagster's own fields resolve, is refused."""
    monkeypatch.setenv("ANY_NAME", SECRET)
    for job in jobs:
        told = refusal(job, of_resource("flow_source", **{field: {"env": "ANY_NAME"}}))
        assert told is not None
        assert SECRET not in told


@pytest.mark.parametrize(
    "where",
    [
        {"execution": {"config": {"retries": {"enabled": {}}}}},
        {"loggers": {"console": {"config": {"name": "x"}}}},
        {"ops": {"silver__network_events": {"config": {"a": 1}}}},
    ],
)
def test_executor_logger_and_ops_take_nothing_else(jobs, where):
    """No other part of a run's config has a field for a text."""
    for job in jobs:
        assert refusal(job, where) is not None


@tries(max_examples=50, deadline=None)
@given(before=st.text(max_size=20), after=st.text(max_size=20), field=st.sampled_from(["uri", "columns"]))
def test_a_value_with_a_secret_in_it_is_refused_without_quoting_it(before, after, field):
    """Whoever knows a secret cannot have it stored, and nobody learns from the refusal what was typed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AUDIT_SIGNING_KEY", SECRET)
        for job in jobs_of(DEFINITIONS):
            told = refusal(job, of_resource("flow_source", **{field: before + SECRET + after}))
            assert told is not None
            assert SECRET not in told


def test_a_short_secret_is_refused_where_it_is_the_whole_value(jobs, monkeypatch):
    """A password of one letter does not make every path that has the letter a secret."""
    monkeypatch.setenv("PG_PASSWORD", "a")
    assert refusal(jobs[0], of_resource("flow_source", uri="a")) is not None
    assert refusal(jobs[0], of_resource("flow_source", uri="/data/{date}.log")) is None


def test_a_refusal_names_the_field(jobs, monkeypatch):
    """A person learns which value to change."""
    monkeypatch.setenv("PG_PASSWORD", SECRET)
    for field in ("uri", "columns"):
        assert f"`{field}`" in refusal(jobs[0], of_resource("flow_source", **{field: f"x{SECRET}"}))


def test_an_access_key_id_may_name_a_bucket(jobs, monkeypatch):
    """The key of a bucket is often named like it."""
    monkeypatch.setenv("MINIO_ACCESS_KEY", "flowlogs")
    assert refusal(jobs[0], of_resource("flow_source", uri="s3://flowlogs/{date}.csv")) is None


def test_the_environments_own_values_are_not_refused(settings, monkeypatch):
    """The defaults, and a launch that repeats them, are accepted even where they contain a secret."""
    monkeypatch.setenv("MINIO_SECRET_KEY", "flowlogs-own")
    uri = "/tmp/flowlogs-own/a.csv"
    columns = '{"bytes": "flowlogs-own"}'
    own = settings.model_copy(update={"flows_uri": uri, "flows_columns": columns})
    for job in jobs_of(build_definitions(own)):
        assert refusal(job, {}) is None
        assert refusal(job, of_resource("flow_source", uri=uri, columns=columns)) is None
        assert refusal(job, of_resource("flow_source", uri=f"{uri}.gz")) is not None
        assert refusal(job, of_resource("flow_source", uri=columns)) is not None


@pytest.mark.parametrize("define", [fixed, fixed_io_manager])
def test_an_error_while_a_resource_is_made_has_no_secret(monkeypatch, define):
    """A resource that cannot be created shows no secret."""
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
    """Limits are shares from 0 to 1: no run begins with another."""
    config = {"ops": {op: {"config": {SHARES[op][which]: value}}}}
    assert all("a number from 0 to 1" in refusal(job, config) for job in jobs_of(DEFINITIONS))


@pytest.mark.parametrize("value", [-1, 0, 10**12])
def test_a_count_out_of_bounds_is_refused_at_launch(jobs, value):
    """There is at least one synthetic flow, and no more than a machine can make."""
    assert "an integer from 1" in refusal(jobs[0], of_resource("flow_source", synthetic_flows=value))


@pytest.mark.parametrize(
    "config", [of_resource("detector", feature_set="huge"), of_resource("flow_source", format="bro")]
)
def test_a_choice_that_is_unknown_is_refused_at_launch(jobs, config):
    """Feature sets and formats are listed in the schema, which the Launchpad completes."""
    for job in jobs:
        assert "not in enum type" in refusal(job, config)


@pytest.mark.parametrize("partition", ["2031-01-01", "2024-12-31", "no-day", "2026-1-2"])
def test_a_day_that_is_no_partition_leaves_no_row(settings, partition):
    """A run of a partition that does not exist fails, and the audit has no phase of it."""
    assert_no_phase(settings, {"dagster/partition": partition})


@pytest.mark.parametrize("zone", ["Pacific/Kiritimati", "Pacific/Pago_Pago"])
def test_a_day_is_over_at_the_midnight_of_its_zone(make_settings, materialize, zone):
    """At any hour one of these zones has another yesterday than UTC: they are 14 hours ahead and 11 behind."""
    settings = make_settings(flows_timezone=zone)
    last = yesterday(ZoneInfo(zone), dt.datetime.now(dt.UTC))
    result, rows = materialize(settings, partition_key=last)
    assert result.success
    assert [row["estado"] for row in rows] == ["SUCCESS"] * 4
    following = dt.date.fromisoformat(last) + dt.timedelta(days=1)
    other = make_settings(flows_timezone=zone, pg_database=f"{settings.pg_database}_2")
    assert_no_phase(other, {"dagster/partition": following.isoformat()})


def test_a_launch_without_a_partition_leaves_no_row(settings):
    """A run of no partition fails, and the audit has no phase of it."""
    assert_no_phase(settings, {})


def assert_no_phase(settings, tags):
    """Run the whole graph, and then training alone: both fail before a phase begins."""
    for keys in (["raw", "network_events"], ["gold", "isolation_forest"]):
        selection = [dg.AssetKey(keys)]
        job = build_definitions(settings).resolve_job_def("daily_training").get_subset(asset_selection=set(selection))
        with dg.DagsterInstance.ephemeral() as instance:
            try:
                assert not job.execute_in_process(instance=instance, tags=tags, raise_on_error=False).success
            except ValueError:
                # Dagster itself makes no run of a key that is no date.
                assert instance.get_runs_count() == 0
    with audit_from(settings).session() as audit:
        assert audit.ask().failures() == []
        assert audit.ask().last_run() == []


DEFINITIONS = build_definitions()
