"""A phase stays open from its first piece to its result, and always ends."""

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
    with audit_from(settings).session() as resource:
        yield resource


def failures(audit):
    """Return the errors in the audit."""
    return [row["error"] for row in audit.ask().failures()]


def test_pieces_of_a_phase_share_one_phase(audit):
    """Facts of an earlier piece are in the row of the later one."""
    with audit.phase(RAW.asset, DAY) as phase:
        phase.facts["records"] = 5
    with audit.phase(RAW.asset, DAY) as same:
        audit.succeed(same, OBJECT)
    assert same is phase
    assert [row["records"] for row in audit.ask().records()] == [5]


@pytest.mark.parametrize("error", [QualityError, StoreError, ObjectChangedError])
def test_a_known_error_becomes_one_line_and_a_failed_row(audit, error):
    """No step is retried within a run."""
    with pytest.raises(dg.Failure) as caught, audit.phase(RAW.asset, DAY):
        raise error("it broke", "Mend it")
    assert (caught.value.description, caught.value.allow_retries) == ("it broke. Mend it.", False)
    assert caught.value.metadata["exit_status"].value == error.exit_status
    assert failures(audit) == ["it broke. Mend it."]


def test_an_error_of_the_file_system_is_a_known_error(audit):
    """An error of the file system is one line, like the project's own errors."""
    with pytest.raises(dg.Failure, match=r"No space left.*'/full'.*CYBERSEC_SCRATCH"), audit.phase(RAW.asset, DAY):
        raise OSError(errno.ENOSPC, "No space left on device", "/full")
    assert "/full" in failures(audit)[0]


@pytest.mark.parametrize(
    ("error", "message"),
    [(RuntimeError("boom"), "boom"), (KeyboardInterrupt(), "the run was interrupted. Run it again.")],
)
def test_an_unexpected_error_is_recorded_and_raised_unchanged(audit, error, message):
    """Any other error, also an interrupt, is recorded and raised unchanged."""
    with pytest.raises(type(error)), audit.phase(RAW.asset, DAY):
        raise error
    assert failures(audit) == [message]


@pytest.mark.parametrize("text", ["a\x00b", "caf\udce9.csv"])
def test_an_error_with_characters_that_postgres_rejects_is_recorded(audit, text):
    """NUL and invalid characters in a message are escaped."""
    with pytest.raises(dg.Failure, match="damaged"), audit.phase(RAW.asset, DAY):
        raise StoreError(f"{text} is damaged", "Mend it")
    assert "is damaged. Mend it." in failures(audit)[0]


def test_a_rejected_failed_row_does_not_hide_the_error(audit):
    """If the FAILED row is rejected, the phase still ends with its own error."""

    def spoil(phase):
        phase.inputs.append({"file": "caf\udce9.csv"})
        return StoreError("it broke", "Mend it")

    with pytest.raises(dg.Failure, match="it broke"), audit.phase(RAW.asset, DAY) as phase:
        raise spoil(phase)


def test_a_phase_that_is_left_open_fails(settings):
    """A phase without a result gets a FAILED row at the run's end."""
    resource = audit_from(settings)
    with resource.yield_for_execution(dg.build_init_resource_context()), resource.phase(RAW.asset, DAY):
        pass
    with audit_from(settings).session() as audit:
        assert failures(audit) == ["the phase ended without a result. Read the run's log."]


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (KeyboardInterrupt, "the run was interrupted. Run it again."),
        (dg.DagsterExecutionInterruptedError, "the run was interrupted. Run it again."),
        (RuntimeError, "the phase ended without a result. Read the run's log."),
    ],
)
def test_an_interrupt_between_two_pieces_of_a_phase_is_recorded(settings, error, message):
    """The FAILED row has the interrupt as its reason, although no code of the phase was running."""

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
        assert failures(audit) == [message]


def test_without_an_audit_no_work_begins(make_settings):
    """The phase's body does not run if the database is unreachable."""
    resource = audit_from(make_settings(pg_host="127.0.0.1", pg_port=1))
    entered = False
    with pytest.raises(dg.Failure, match="PG_HOST"), resource.session(), resource.phase(RAW.asset, DAY):
        entered = True
    assert not entered


def test_an_audit_that_goes_away_does_not_hide_the_error(audit):
    """If FAILED cannot be written, the phase still ends with its own error."""

    def lose_the_audit():
        with audit.connect().engine.begin() as connection:
            connection.execute(sa.text("DROP TABLE ingestion_events CASCADE"))
        return StoreError("it broke", "Mend it")

    with pytest.raises(dg.Failure, match="it broke"), audit.phase(RAW.asset, DAY):
        raise lose_the_audit()
