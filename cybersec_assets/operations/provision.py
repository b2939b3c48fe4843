"""Prepare the stores of a cluster: wait for them, then create what is missing.

    buckets → the audit's database, roles and schema → Dagster's database and schema → a mark that other pods wait for

Every step can be repeated, also while pods of an earlier release run.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import tenacity

from cybersec_assets.artifact import fingerprint_of
from cybersec_assets.audit.journal.tables import SCHEMA_VERSION
from cybersec_assets.errors import AuditError, AuditLostError, CybersecError, SettingsError, StoreError
from cybersec_assets.postgres.dagster_database import DagsterDatabase, Login
from cybersec_assets.settings import Settings, reveal
from cybersec_assets.stores.base import CHECKS

PAUSE_SECONDS = 0.5
LOGS = "logs"
"""The bucket of Dagster's compute logs, after the prefix."""
Say = Callable[[str], None]


def prepare(settings: Settings, seconds: float, say: Say) -> None:
    """Create the buckets, databases, roles and schemas that are missing.

    Args:
        settings: The stores.
        seconds: How long to wait for a store that cannot be reached.
        say: Called with a line for each store that is waited for, and for each finished step.

    Raises:
        CybersecError: A store cannot be reached in time, or refuses.
    """
    database = dagster_database(settings)
    steps: tuple[tuple[str, Callable[[], None]], ...] = (
        ("buckets", lambda: _make_buckets(settings)),
        ("the audit's database, roles and schema", lambda: _make_audit(settings)),
        ("Dagster's database", lambda: database.create(_administrator(settings))),
        ("Dagster's schema", _migrate_instance),
        (f"marked for {database.program}", database.mark),
    )
    for what, step in steps:
        _retrying(seconds, say)(step)
        say(f"ready: {what}")


def reach(settings: Settings, seconds: float, say: Say) -> None:
    """Log in to both stores, and to PostgreSQL as every existing role, and change nothing.

    Args:
        settings: The stores.
        seconds: How long to retry a store that cannot be reached, or refuses.
        say: Called with a line for each store that is waited for, and for each that was reached.

    Raises:
        CybersecError: A store cannot be reached in time, or refuses.
    """
    database = dagster_database(settings)
    administrator = _administrator(settings)
    others = [Login(settings.postgres.user, reveal(settings.postgres.password)), database.login]
    for what, step in (
        (f"PostgreSQL as {administrator.user}", lambda: database.check_logins(administrator, others)),
        ("the object store", lambda: _list_a_bucket(settings)),
    ):
        _retrying(seconds, say)(step)
        say(f"reached: {what}")


def wait_until_prepared(settings: Settings, seconds: float) -> None:
    """Return as soon as the stores are prepared for this version of the program.

    Raises:
        AuditError: They are not after `seconds`. The message has the last cause.
    """
    database = dagster_database(settings)
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(AuditLostError)
        | tenacity.retry_if_result(lambda is_marked: not is_marked),
        wait=tenacity.wait_fixed(PAUSE_SECONDS),
        stop=tenacity.stop_after_delay(seconds),
    )
    try:
        retrying(database.is_marked)
    except tenacity.RetryError as ended:
        error = ended.last_attempt.exception()
        cause = error.problem if isinstance(error, CybersecError) else f"nothing is prepared for {database.program}"
        raise AuditError(
            f"not ready after {seconds:.0f} s: {cause}", "Read the log of `cybersec stores prepare`"
        ) from error


def check(settings: Settings) -> None:
    """Write to both stores and read it back, and check that one of 16 concurrent writers of a name succeeds.

    Raises:
        CybersecError: A store cannot be reached, refuses or returns something else, or other than one writer succeeds.
    """
    from cybersec_assets.definitions import audit_from
    from cybersec_assets.stores.s3 import S3Store
    from cybersec_assets.stores.s3_conditions import require_one_winner

    dagster_database(settings).mark()
    with audit_from(settings).session() as audit:
        audit.ask().last_run()
    store = audit.store.open()
    bucket = f"{settings.store.bucket_prefix}-{LOGS}"
    with TemporaryDirectory() as folder:
        file = Path(folder) / "check"
        file.write_text(f"{time.time_ns()}")
        name = f"{CHECKS}{file.read_text()}"
        store.create(bucket, name, file, fingerprint_of(file))
        if store.fingerprint(bucket, name) != fingerprint_of(file):
            raise StoreError(f"s3://{bucket}/{name} is not what was written", "Read the log of the object store")
        with suppress(StoreError):
            store.delete(bucket, name)
    if isinstance(store, S3Store):
        require_one_winner(store, bucket)


def dagster_database(settings: Settings) -> DagsterDatabase:
    """Return Dagster's database.

    Raises:
        SettingsError: It is not set.
    """
    if settings.postgres.host is None or settings.postgres.dagster_user is None:
        raise SettingsError("Dagster's own database is not set", "Set PG_HOST and DAGSTER_PG_USER")
    return DagsterDatabase(
        settings, Login(settings.postgres.dagster_user, reveal(settings.postgres.dagster_password)), SCHEMA_VERSION
    )


def _administrator(settings: Settings) -> Login:
    """Return the role that creates the others: that of the migrations, or the application's own."""
    if settings.postgres.migration_user:
        return Login(settings.postgres.migration_user, reveal(settings.postgres.migration_password))
    return Login(settings.postgres.user, reveal(settings.postgres.password))


def _make_buckets(settings: Settings) -> None:
    from cybersec_assets.definitions import store_from
    from cybersec_assets.defs.io_managers import KINDS
    from cybersec_assets.stores.s3 import S3Store

    store = store_from(settings).open()
    if isinstance(store, S3Store):
        for bucket in sorted({kind.bucket for kind in KINDS.values()} | {LOGS}):
            store.make_bucket(f"{settings.store.bucket_prefix}-{bucket}")


def _list_a_bucket(settings: Settings) -> None:
    from cybersec_assets.definitions import store_from

    next(store_from(settings).open().entries(f"{settings.store.bucket_prefix}-{LOGS}", limit=1), None)


def _make_audit(settings: Settings) -> None:
    from cybersec_assets.definitions import audit_from

    with audit_from(settings).session() as audit:
        audit.connect()


def _migrate_instance() -> None:
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        instance.upgrade()


def _retrying(seconds: float, say: Say) -> tenacity.Retrying:
    """Return the retries of a step whose store may be starting. Each problem is reported once."""
    reported = set[str]()

    def report(state: tenacity.RetryCallState) -> None:
        error = state.outcome and state.outcome.exception()
        if isinstance(error, CybersecError) and error.problem not in reported:
            reported.add(error.problem)
            say(f"waiting: {error.problem}")

    return tenacity.Retrying(
        retry=tenacity.retry_if_exception_type((AuditLostError, StoreError)),
        wait=tenacity.wait_fixed(PAUSE_SECONDS),
        stop=tenacity.stop_after_delay(seconds),
        before_sleep=report,
        reraise=True,
    )
