"""How the result of a run is read from its events."""

import dagster as dg
import pytest

from cybersec_assets.errors import SettingsError
from cybersec_assets.operations.run_day import result_of


def result_with_resource(error):
    """Return the result of a run whose resource raises an error."""

    @dg.resource
    def broken(_context):
        raise error

    @dg.op(required_resource_keys={"broken"})
    def work(_context):
        pass

    @dg.job(resource_defs={"broken": broken})
    def one():
        work()

    with dg.DagsterInstance.ephemeral() as instance:
        done = one.execute_in_process(instance=instance, raise_on_error=False)
    return result_of(done.run_id, done.all_events)


def test_the_projects_own_error_of_a_resource_is_shown_unchanged():
    result = result_with_resource(SettingsError("2026-11-27 is not over yet (UTC)", "Use a day up to yesterday"))
    assert result.errors == ["2026-11-27 is not over yet (UTC). Use a day up to yesterday."]
    assert result.exit_status == 2


@pytest.mark.parametrize("text", ["A\x00\x1b[31m" * 20_000, "\u202e" * 700, "one\ntwo"])
def test_an_unforeseen_error_is_one_short_printable_line(text):
    (message,) = result_with_resource(RuntimeError(text)).errors
    assert len(f"error: {message}") <= 500
    assert message.isprintable()
    assert message.endswith("Read the run's log in `cybersec ui`.")
