"""A phase stays open from its first work to its result, and nothing ends without one."""

import contextlib
import errno

import dagster as dg
import pytest
import sqlalchemy as sa

from cybersec_assets.artifact import Artifact, Fingerprint
from cybersec_assets.definitions import audit_from
from cybersec_assets.errors import ObjectChangedError, QualityError, StoreError
from cybersec_assets.phases import RAW
from cybersec_assets_tests.conftest import DAY

OBJECT = Artifact("s3://bucket/name", Fingerprint(1, "00" * 32))


@pytest.fixture
def audit(settings):
    """The audit, connected."""
    with audit_from(settings).session() as resource:
        yield resource


def failures(audit):
    """Give the errors that the audit holds."""
    return [row["error"] for row in audit.ask().failures()]


def test_a_phase_is_one_from_first_work_to_result(audit):
    """What a later step of the same phase notes stands beside what the first one noted."""
    with audit.phase(RAW.asset, DAY) as phase:
        phase.facts["records"] = 5
    with audit.phase(RAW.asset, DAY) as same:
        audit.succeed(same, OBJECT)
    assert same is phase
    assert [row["records"] for row in audit.ask().records()] == [5]


@pytest.mark.parametrize("error", [QualityError, StoreError, ObjectChangedError])
def test_a_known_error_becomes_one_line_and_a_failed_row(audit, error):
    """The project's own error fails the phase for good: no step is retried within a run."""
    with pytest.raises(dg.Failure) as caught, audit.phase(RAW.asset, DAY):
        raise error("it broke", "Mend it")
    assert (caught.value.description, caught.value.allow_retries) == ("it broke. Mend it.", False)
    assert caught.value.metadata["exit_status"].value == error.exit_status
    assert failures(audit) == ["it broke. Mend it."]


def test_a_disk_that_refuses_is_a_known_error(audit):
    """A file that cannot be written is named on one line, like the project's own errors."""
    with pytest.raises(dg.Failure, match=r"No space left.*'/full'.*CYBERSEC_SCRATCH"), audit.phase(RAW.asset, DAY):
        raise OSError(errno.ENOSPC, "No space left on device", "/full")
    assert "/full" in failures(audit)[0]


@pytest.mark.parametrize(
    ("error", "said"),
    [(RuntimeError("boom"), "boom"), (KeyboardInterrupt(), "the run was interrupted. Run it again.")],
)
def test_an_unforeseen_error_fails_the_phase_and_stays_itself(audit, error, said):
    """An error that nobody foresaw, an interrupt included, is recorded and raised as it is."""
    with pytest.raises(type(error)), audit.phase(RAW.asset, DAY):
        raise error
    assert failures(audit) == [said]


@pytest.mark.parametrize("text", ["a\x00b", "caf\udce9.csv"])
def test_an_error_that_no_database_can_hold_is_still_recorded(audit, text):
    """A NUL or a broken character in a message is written in another way, and the phase ends with its own error."""
    with pytest.raises(dg.Failure, match="damaged"), audit.phase(RAW.asset, DAY):
        raise StoreError(f"{text} is damaged", "Mend it")
    assert "is damaged. Mend it." in failures(audit)[0]


def test_what_cannot_be_recorded_hides_no_error(audit):
    """Where even the FAILED row is refused, whatever by, the phase still ends with its own error."""

    def spoil(phase):
        phase.inputs.append({"file": "caf\udce9.csv"})
        return StoreError("it broke", "Mend it")

    with pytest.raises(dg.Failure, match="it broke"), audit.phase(RAW.asset, DAY) as phase:
        raise spoil(phase)


def test_a_phase_that_nobody_closed_has_failed(settings):
    """When the run ends, a phase without a result gets a FAILED row."""
    resource = audit_from(settings)
    with resource.yield_for_execution(dg.build_init_resource_context()), resource.phase(RAW.asset, DAY):
        pass
    with audit_from(settings).session() as audit:
        assert failures(audit) == ["the phase ended without a result. Read the run's log."]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyboardInterrupt, "the run was interrupted. Run it again."),
        (dg.DagsterExecutionInterruptedError, "the run was interrupted. Run it again."),
        (RuntimeError, "the phase ended without a result. Read the run's log."),
    ],
)
def test_an_interrupt_between_two_parts_of_a_phase_is_recorded(settings, error, said):
    """An interrupt that arrives while no code of the phase runs is still the reason in its FAILED row."""

    @dg.resource
    def opened(context):
        with audit_from(settings).yield_for_execution(context) as audit:
            yield audit

    @dg.op(required_resource_keys={"audit"})
    def work(context):
        with context.resources.audit.phase(RAW.asset, DAY):
            pass
        raise error

    @dg.job(resource_defs={"audit": opened})
    def one():
        work()

    with dg.DagsterInstance.ephemeral() as instance, contextlib.suppress(error):
        one.execute_in_process(instance=instance, raise_on_error=False)
    with audit_from(settings).session() as audit:
        assert failures(audit) == [said]


def test_without_an_audit_no_work_begins(make_settings):
    """Where the database is away, the phase's body is never entered."""
    resource = audit_from(make_settings(pg_host="127.0.0.1", pg_port=1))
    entered = False
    with pytest.raises(dg.Failure, match="PG_HOST"), resource.session(), resource.phase(RAW.asset, DAY):
        entered = True
    assert not entered


def test_an_audit_that_goes_away_does_not_hide_the_error(audit):
    """Where FAILED cannot be written, the phase still ends with its own error."""

    def lose_the_audit():
        with audit.connect().engine.begin() as connection:
            connection.execute(sa.text("DROP TABLE ingestion_events CASCADE"))
        return StoreError("it broke", "Mend it")

    with pytest.raises(dg.Failure, match="it broke"), audit.phase(RAW.asset, DAY):
        raise lose_the_audit()
