"""The audit as a Dagster resource: the connection of a run, and its open phases."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import dagster as dg
import sqlalchemy as sa
from dagster._core.execution.plan.objects import ErrorSource

from cybersec_assets.artifact import Artifact
from cybersec_assets.audit.journal.journal import Journal
from cybersec_assets.audit.journal.open_phases import OpenPhases, disk_error
from cybersec_assets.audit.journal.phase import Phase
from cybersec_assets.audit.journal.phase_locks import PhaseLocks
from cybersec_assets.audit.journal.provenance import code_version, library_versions
from cybersec_assets.audit.journal.queries import Audit, Record
from cybersec_assets.audit.journal.reconcile import GRACE_SECONDS, RECENT, reconcile
from cybersec_assets.audit.journal.schema import connect, is_made
from cybersec_assets.defs.partitions import require_day
from cybersec_assets.defs.resources.heads import HeadsResource
from cybersec_assets.defs.resources.object_store import ObjectStoreResource
from cybersec_assets.errors import AuditError, CybersecError, NoRecordError, RunInterruptedError
from cybersec_assets.postgres.database import PATIENCE_SECONDS, Database, translate_errors
from cybersec_assets.postgres.embedded import data_folder, embedded_postgres, has_cluster
from cybersec_assets.redaction import redacted_errors
from cybersec_assets.settings import PostgresSettings, ScheduleSettings, reveal

DRIVER = "postgresql+psycopg2"
PARTITION = "dagster/partition"
"""The tag of a run that has its partition's key."""


class AuditResource:
    """The audit's database: on a PostgreSQL server, or on the embedded server if no host is set.

    Args:
        settings: The server, the roles and the database.
        schedule: The days that exist.
        heads: Signs the journal's heads.
        patience_seconds: How long a lost connection is retried.
    """

    def __init__(
        self,
        settings: PostgresSettings,
        schedule: ScheduleSettings,
        heads: HeadsResource,
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> None:
        self.settings = settings
        self.heads = heads
        self._schedule = schedule
        self._patience_seconds = patience_seconds
        self._run_id = ""
        self._is_over: Callable[[str], bool] | None = None
        self._stack = ExitStack()
        self._url: sa.URL | None = None
        self._database: Database | None = None
        self._phases: OpenPhases | None = None

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["AuditResource"]:
        """Open the audit for a run. At the run's end its open phases end as FAILED.

        Raises:
            SettingsError: The run's partition does not exist, which Dagster does not check.
        """
        if context.run and (day := context.run.tags.get(PARTITION)):
            require_day(day, self._schedule.start_date, self._schedule.zone)
        self._run_id = context.run.run_id if context.run else ""
        self._is_over = is_over_in(context.instance) if context.instance else None
        with self.session():
            try:
                yield self
            finally:
                if self._phases is not None:
                    self._phases.fail_all(lambda: _why_left_open(context))

    @contextmanager
    def session(self) -> Iterator["AuditResource"]:
        """Close the connection and stop the embedded server at the end; both are made at the first use."""
        try:
            with self._stack:
                yield self
        finally:
            self._url = None
            self._database = None
            self._phases = None

    @property
    def store(self) -> ObjectStoreResource:
        """The store of the objects that the audit names, and of the signed heads."""
        return self.heads.store

    @property
    def location(self) -> str:
        """The server and the database, for people."""
        if self.settings.host is None:
            return f"embedded PostgreSQL in {data_folder(self.settings.home)}, database {self.settings.database}"
        return f"{self.settings.host}:{self.settings.port}, database {self.settings.database}"

    def connect(self) -> Database:
        """Connect at the first call.

        Raises:
            AuditError: The database cannot be reached.
        """
        if self._database is None:
            url, owner = self._urls()
            self._database = connect(url, owner, self._patience_seconds)
            self._stack.callback(self._database.close)
        return self._database

    def exists(self) -> bool:
        """Return whether a run has created the audit. No server and no database is created.

        Raises:
            AuditError: The server cannot be reached, or its folder holds files of another program.
        """
        if self.settings.host is None and not has_cluster(self.settings.home):
            return False
        return is_made(*self._urls())

    def require(self) -> None:
        """Raise an error if no run has created the audit.

        Raises:
            NoRecordError: There is no audit.
        """
        if not self.exists():
            remedy = "Start with `cybersec run`, or correct CYBERSEC_HOME, PG_HOST and PG_DATABASE"
            raise NoRecordError(f"no runs here yet: there is no {self.location}", remedy)

    @contextmanager
    def translate_errors(self) -> Iterator[None]:
        """Turn what SQLAlchemy raises in the body into the project's errors; see `database.translate_errors`."""
        with translate_errors(self.connect().url):
            yield

    def ask(self) -> Audit:
        """Return the audit's queries."""
        return Audit(self.connect())

    def journal(self) -> Journal:
        """Return the writer of entries."""
        return Journal(self.connect(), {"code_version": code_version(), "libraries": library_versions()})

    def find_input(self, phase: Phase, asset: str, lineage_of: str | None = None) -> Record:
        """Return the record of the object that a phase reads of an asset; see `Audit.input_of`."""
        return self.ask().input_of(
            phase.run_id, asset, phase.partition, lineage_of, descendant_uri=phase.input_uri(lineage_of)
        )

    @contextmanager
    def phase(self, asset: str, partition: str) -> Iterator[Phase]:
        """Work on a phase of the run; `open_phases` describes when a phase starts and ends.

        Raises:
            dagster.Failure: The body raised an error of the project or of the file system.
        """
        try:
            with self._open_phases().work_on(asset, partition) as phase:
                # Without a valid key no head could be signed. It is better to fail before the work than after it.
                self.heads.key()
                self.store.require_conditional_writes()
                yield phase
        except CybersecError as error:
            raise _failure(error) from None
        except OSError as error:
            raise _failure(disk_error(error)) from None
        except Exception:
            with redacted_errors():
                raise

    def succeed(self, phase: Phase, artifact: Artifact) -> None:
        """End a phase as SUCCESS. Its object must be stored and read back."""
        self._open_phases().succeed(phase, artifact)

    def _open_phases(self) -> OpenPhases:
        """Return the run's phases. At the first call, dead phases of other runs are closed."""
        if self._phases is None:
            journal = self.journal()
            if self._is_over is not None:
                self._close_dead(journal, self._is_over)
            phase_locks = PhaseLocks(journal.database.url, self._patience_seconds)
            self._stack.callback(phase_locks.close)
            log_error = dg.get_dagster_logger().error
            self._phases = OpenPhases(self._run_id, journal, phase_locks, self.heads.append, log_error)
        return self._phases

    def _close_dead(self, journal: Journal, is_over: Callable[[str], bool]) -> None:
        closed, _, _ = reconcile(journal, self.settings.home, GRACE_SECONDS, is_over, RECENT)
        for phase in closed:
            dg.get_dagster_logger().warning(f"{phase.asset} for {phase.partition} of run {phase.run_id} was abandoned")

    def _urls(self) -> tuple[sa.URL, sa.URL | None]:
        """Return the address of the database for the application, and for the role that owns the schema."""
        if self._url is None:
            self._url = self._locate()
        owner = self.settings.migration_user
        if not owner:
            return self._url, None
        return self._url, self._url.set(username=owner, password=reveal(self.settings.migration_password))

    def _locate(self) -> sa.URL:
        settings = self.settings
        if settings.host is None:
            folder = self._stack.enter_context(embedded_postgres(settings.home))
            return sa.URL.create(DRIVER, "postgres", database=settings.database, query={"host": str(folder)})
        query: dict[str, str] = {"sslmode": settings.sslmode}
        if settings.sslrootcert:
            query["sslrootcert"] = str(settings.sslrootcert)
        password = reveal(settings.password)
        return sa.URL.create(DRIVER, settings.user, password, settings.host, settings.port, settings.database, query)


def is_over_in(instance: dg.DagsterInstance) -> Callable[[str], bool]:
    """Return a function that returns whether Dagster knows a run and knows that it has ended."""

    def is_over(run_id: str) -> bool:
        run = instance.get_run_by_id(run_id)
        return run is not None and run.is_finished

    return is_over


def _why_left_open(context: dg.InitResourceContext) -> CybersecError:
    """Return why a phase has no result. An interrupt may arrive while no code of the phase runs."""
    if context.run and context.instance:
        failures = context.instance.all_logs(context.run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
        events = [entry.dagster_event for entry in failures if entry.dagster_event]
        if any(event.step_failure_data.error_source is ErrorSource.INTERRUPT for event in events):
            return RunInterruptedError()
    return AuditError("the phase ended without a result", "Read the run's log")


def _failure(error: CybersecError) -> dg.Failure:
    """Return the error in one line. No step is retried, because a run starts over as a whole or not at all."""
    return dg.Failure(str(error), metadata={"exit_status": error.exit_status}, allow_retries=False)
