"""What a cluster's first pod does for all others: wait for the stores, then make whatever they lack.

    buckets → the audit's database, roles and schema → Dagster's database and schema → the mark that others wait for

Every step may be done again, and while pods of an earlier release run.
"""

import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from cybersec_assets.artifact import fingerprint_of
from cybersec_assets.audit.journal.tables import SCHEMA_VERSION
from cybersec_assets.errors import AuditError, AuditLostError, CybersecError, SettingsError, StoreError
from cybersec_assets.postgres.dagster_database import DagsterDatabase, Login
from cybersec_assets.settings import Settings
from cybersec_assets.stores.base import CHECKS

PAUSE_SECONDS = 0.5
LOGS = "logs"
"""The bucket, after the prefix, that Dagster's compute logs go to."""
Say = Callable[[str], None]


def prepare(settings: Settings, seconds: float, say: Say) -> None:
    """Make what is missing.

    Args:
        settings: Where everything is.
        seconds: For how long a store that is away is waited for.
        say: Is told, in a line each, what is waited for and what is done.

    Raises:
        CybersecError: A store stays away, or refuses.
    """
    instance = dagster_database(settings)
    steps: tuple[tuple[str, Callable[[], None]], ...] = (
        ("buckets", lambda: _make_buckets(settings)),
        ("the audit's database, roles and schema", lambda: _make_audit(settings)),
        ("Dagster's database", lambda: instance.create(_maker(settings))),
        ("Dagster's schema", _migrate_instance),
        (f"marked for {instance.program}", instance.mark),
    )
    for what, step in steps:
        _persistently(seconds, say)(step)
        say(f"ready: {what}")


def reach(settings: Settings, seconds: float, say: Say) -> None:
    """Log in to both stores, to PostgreSQL as every role that is there, and change nothing.

    Args:
        settings: Where everything is.
        seconds: For how long a store that is away, or refuses, is asked again.
        say: Is told, in a line each, what is waited for and what was reached.

    Raises:
        CybersecError: A store stays away, or refuses.
    """
    instance, maker = dagster_database(settings), _maker(settings)
    others = [Login(settings.pg_user, os.environ.get("PG_PASSWORD")), instance.login]
    for what, step in (
        (f"PostgreSQL as {maker.user}", lambda: instance.check_logins(maker, others)),
        ("the object store", lambda: _list_a_bucket(settings)),
    ):
        _persistently(seconds, say)(step)
        say(f"reached: {what}")


def wait_until_prepared(settings: Settings, seconds: float) -> None:
    """Return as soon as everything is prepared for this very program.

    Raises:
        AuditError: It is not after so many seconds; the message says what was seen last.
    """
    instance, deadline = dagster_database(settings), time.monotonic() + seconds
    seen = f"nothing is prepared for {instance.program}"
    while time.monotonic() < deadline:
        try:
            if instance.is_marked():
                return
        except AuditLostError as error:
            seen = error.problem
        time.sleep(PAUSE_SECONDS)
    raise AuditError(f"not ready after {seconds:.0f} s: {seen}", "Read the log of `cybersec stores prepare`")


def check(settings: Settings) -> None:
    """Write to both stores and read it back, and let 16 writers race for one name of the object store.

    Raises:
        CybersecError: A store is away, refuses, returns something else, or lets other than one writer win.
    """
    from cybersec_assets.definitions import audit_from, store_from
    from cybersec_assets.stores.s3 import S3Store
    from cybersec_assets.stores.s3_conditions import require_one_winner

    dagster_database(settings).mark()
    with audit_from(settings).session() as audit:
        audit.ask().last_run()
    store, bucket = store_from(settings).open(), f"{settings.cybersec_bucket_prefix}-{LOGS}"
    with TemporaryDirectory() as folder:
        file = Path(folder) / "check"
        file.write_text(f"{time.time_ns()}")
        name = f"{CHECKS}{file.read_text()}"
        store.create(bucket, name, file, fingerprint_of(file))
        if store.fingerprint(bucket, name) != fingerprint_of(file):
            raise StoreError(f"s3://{bucket}/{name} is not what was written", "Read the object store's log")
        with suppress(StoreError):
            store.delete(bucket, name)
    if isinstance(store, S3Store):
        require_one_winner(store, bucket)


def dagster_database(settings: Settings) -> DagsterDatabase:
    """Give Dagster's database.

    Raises:
        SettingsError: The environment names none.
    """
    if settings.pg_host is None or settings.dagster_pg_user is None:
        raise SettingsError("Dagster's own database is not named", "Set PG_HOST and DAGSTER_PG_USER")
    return DagsterDatabase(
        settings, Login(settings.dagster_pg_user, os.environ.get("DAGSTER_PG_PASSWORD")), SCHEMA_VERSION
    )


def _maker(settings: Settings) -> Login:
    """Give the role that may make others: the migrations', or the application's own."""
    if settings.pg_migration_user:
        return Login(settings.pg_migration_user, os.environ.get("PG_MIGRATION_PASSWORD"))
    return Login(settings.pg_user, os.environ.get("PG_PASSWORD"))


def _make_buckets(settings: Settings) -> None:
    from cybersec_assets.definitions import store_from
    from cybersec_assets.defs.io_managers import KINDS
    from cybersec_assets.stores.s3 import S3Store

    store = store_from(settings).open()
    if isinstance(store, S3Store):
        for bucket in sorted({kind.bucket for kind in KINDS.values()} | {LOGS}):
            store.make_bucket(f"{settings.cybersec_bucket_prefix}-{bucket}")


def _list_a_bucket(settings: Settings) -> None:
    from cybersec_assets.definitions import store_from

    next(store_from(settings).open().entries(f"{settings.cybersec_bucket_prefix}-{LOGS}", limit=1), None)


def _make_audit(settings: Settings) -> None:
    from cybersec_assets.definitions import audit_from

    with audit_from(settings).session() as audit:
        audit.connect()


def _migrate_instance() -> None:
    import dagster as dg

    with dg.DagsterInstance.get() as instance:
        instance.upgrade()


def _persistently(seconds: float, say: Say) -> Retrying:
    """Give tenacity's loop for a step whose store may be starting; what stops it is told once."""
    told = set[str]()

    def tell(state: RetryCallState) -> None:
        error = state.outcome and state.outcome.exception()
        if isinstance(error, CybersecError) and error.problem not in told:
            told.add(error.problem)
            say(f"waiting: {error.problem}")

    return Retrying(
        retry=retry_if_exception_type((AuditLostError, StoreError)),
        wait=wait_fixed(PAUSE_SECONDS),
        stop=stop_after_delay(seconds),
        before_sleep=tell,
        reraise=True,
    )
