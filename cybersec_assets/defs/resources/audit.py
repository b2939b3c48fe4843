"""The audit as a Dagster resource: a connection for the run, and the phases that are open in it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import sqlalchemy as sa
from dagster._core.execution.plan.objects import ErrorSource
from pydantic import Field, PrivateAttr

from cybersec_assets.artifact import Artifact
from cybersec_assets.audit.journal.journal import Journal
from cybersec_assets.audit.journal.open_phases import Phases
from cybersec_assets.audit.journal.phase import Phase
from cybersec_assets.audit.journal.phase_locks import PhaseLocks
from cybersec_assets.audit.journal.provenance import code_version, library_versions
from cybersec_assets.audit.journal.queries import Audit, Record
from cybersec_assets.audit.journal.reconcile import GRACE_SECONDS, RECENT, reconcile
from cybersec_assets.audit.journal.schema import connect, is_made
from cybersec_assets.defs.partitions import day_of, require_day
from cybersec_assets.defs.resources.heads import HeadsResource
from cybersec_assets.errors import (
    AuditError,
    AuditLostError,
    CybersecError,
    NoRecordError,
    RunInterruptedError,
    StoreError,
    first_line,
)
from cybersec_assets.postgres.database import PATIENCE_SECONDS, Database, translate_errors
from cybersec_assets.postgres.embedded import data_folder, embedded_postgres, has_cluster
from cybersec_assets.redaction import redacted_errors

DRIVER = "postgresql+psycopg2"
PARTITION = "dagster/partition"
"""The tag of a run that has its partition's key."""


class AuditResource(dg.ConfigurableResource["AuditResource"]):
    """Where phases are written down: a PostgreSQL server, or the embedded one where no host is given."""

    home: str = Field(".cybersec", description="Below which folder the embedded server lies where no host is given.")
    host: str | None = Field(None, description="The PostgreSQL server.")
    port: int = Field(5432, description="Its port.")
    user: str = Field("postgres", description="The role.")
    password: str | None = Field(None, description="The role's password.")
    database: str = Field("mlops_db", description="The database; made where it is missing and the role may.")
    sslmode: str = Field("prefer", description="libpq's sslmode.")
    sslrootcert: str | None = Field(None, description="Certificates that the server's is checked against.")

    migration_user: str | None = Field(None, description="The role that makes the schema; `user` if not given.")
    migration_password: str | None = Field(None, description="That role's password.")
    patience_seconds: float = Field(PATIENCE_SECONDS, description="For how long a lost connection is sought again.")
    first_day: str = Field("2025-01-01", description="The first partition: CYBERSEC_START_DATE.")
    timezone: str = Field("UTC", description="The time zone of the partitions: FLOWS_TIMEZONE.")
    heads: dg.ResourceDependency[HeadsResource]

    _run_id: str = PrivateAttr(default="")
    _is_over: Callable[[str], bool] | None = PrivateAttr(default=None)
    _stack: ExitStack = PrivateAttr(default_factory=ExitStack)
    _url: sa.URL | None = PrivateAttr(default=None)
    _database: Database | None = PrivateAttr(default=None)
    _phases: Phases | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["AuditResource"]:
        """Live as long as the run; a phase that nobody closed is a failed one.

        Raises:
            SettingsError: The run is of a partition that does not exist, which Dagster starts all the same.
        """
        if context.run and (day := context.run.tags.get(PARTITION)):
            require_day(day, day_of(self.first_day), ZoneInfo(self.timezone))
        self._run_id = context.run.run_id if context.run else ""
        self._is_over = is_over_in(context.instance) if context.instance else None
        with self.session():
            try:
                yield self
            finally:
                for asset, partition in self._phases.left_open() if self._phases else ():
                    self._fail(asset, partition, _why_left_open(context))

    @contextmanager
    def session(self) -> Iterator["AuditResource"]:
        """Leave no connection and no server behind; both are made at the first use."""
        try:
            with self._stack:
                yield self
        finally:
            self._url = None
            self._database = None
            self._phases = None

    @property
    def location(self) -> str:
        """Say where the audit lies, for people."""
        if self.host is None:
            return f"embedded PostgreSQL in {data_folder(Path(self.home))}, database {self.database}"
        return f"{self.host}:{self.port}, database {self.database}"

    def connect(self) -> Database:
        """Connect at the first call.

        Raises:
            AuditError: The database cannot be reached.
        """
        if self._database is None:
            url, owner = self._urls()
            self._database = connect(url, owner, self.patience_seconds)
            self._stack.callback(self._database.close)
        return self._database

    def exists(self) -> bool:
        """Return whether any run ever made the audit; neither a server nor a database is made.

        Raises:
            AuditError: The server cannot be reached, or its folder holds files of somebody else.
        """
        if self.host is None and not has_cluster(Path(self.home)):
            return False
        return is_made(*self._urls())

    def require(self) -> None:
        """Refuse to read an audit that no run has made yet.

        Raises:
            NoRecordError: There is none.
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
        """Give the audit's answers."""
        return Audit(self.connect())

    def journal(self) -> Journal:
        """Give what writes entries."""
        return Journal(self.connect(), {"code_version": code_version(), "libraries": library_versions()})

    def find_input(self, phase: Phase, asset: str, lineage_of: str | None = None) -> Record:
        """Find the object that a phase reads of an asset; see `Audit.input_of`."""
        return self.ask().input_of(
            phase.run_id, asset, phase.partition, lineage_of, descendant_uri=phase.input_uri(lineage_of)
        )

    @contextmanager
    def phase(self, asset: str, partition: str) -> Iterator[Phase]:
        """Work on a phase: it opens at the first use and stays open for the next, until it succeeds or fails.

        Raises:
            dagster.Failure: The project's own error, on one line.
        """
        try:
            phase = self._open_phases().enter(self._run_id, asset, partition)
            # Without a key no end could be signed: better to fail now than to find that out after the work.
            self.heads.key()
            self.heads.store.require_conditional_writes()
            yield phase
        except (CybersecError, OSError) as error:
            known = error if isinstance(error, CybersecError) else _disk_error(error)
            self._fail(asset, partition, known)
            raise _failure(known) from None
        except Exception as error:
            self._fail(asset, partition, error)
            with redacted_errors():
                raise
        except BaseException:
            self._fail(asset, partition, RunInterruptedError())
            raise

    def succeed(self, phase: Phase, artifact: Artifact) -> None:
        """Close a phase whose object is stored and was read back."""
        self._open_phases().succeed(phase, artifact)

    def _open_phases(self) -> Phases:
        """Give the run's phases; before the first of them, those that others left behind are closed."""
        if self._phases is None:
            journal = self.journal()
            if self._is_over is not None:
                self._close_dead(journal, self._is_over)
            phase_locks = PhaseLocks(journal.database.url, self.patience_seconds)
            self._stack.callback(phase_locks.close)
            self._phases = Phases(journal, phase_locks, self.heads.append)
        return self._phases

    def _close_dead(self, journal: Journal, is_over: Callable[[str], bool]) -> None:
        closed, _, _ = reconcile(journal, Path(self.home), GRACE_SECONDS, is_over, RECENT)
        for phase in closed:
            dg.get_dagster_logger().warning(f"{phase.asset} for {phase.partition} of run {phase.run_id} was abandoned")

    def _fail(self, asset: str, partition: str, error: BaseException) -> None:
        if self._phases is None:
            return
        try:
            # An audit that did not come back in time will not do so now: whoever reconciles closes the phase.
            if not isinstance(error, AuditLostError):
                self._phases.fail(asset, partition, error)
        except Exception as second:  # noqa: BLE001 - whatever it is, it must not hide the phase's own error
            dg.get_dagster_logger().error(first_line(second))
        finally:
            self._phases.give_up(asset, partition)

    def _urls(self) -> tuple[sa.URL, sa.URL | None]:
        """Return the address of the database for the application, and for the role that makes the schema."""
        if self._url is None:
            self._url = self._located()
        owner = self._url.set(username=self.migration_user, password=self.migration_password)
        return self._url, owner if self.migration_user else None

    def _located(self) -> sa.URL:
        if self.host is None:
            folder = self._stack.enter_context(embedded_postgres(Path(self.home)))
            return sa.URL.create(DRIVER, "postgres", database=self.database, query={"host": str(folder)})
        query = {"sslmode": self.sslmode} | ({"sslrootcert": self.sslrootcert} if self.sslrootcert else {})
        return sa.URL.create(DRIVER, self.user, self.password, self.host, self.port, self.database, query)


def is_over_in(instance: dg.DagsterInstance) -> Callable[[str], bool]:
    """Return a function that returns whether Dagster knows a run and knows that it has ended."""

    def is_over(run_id: str) -> bool:
        run = instance.get_run_by_id(run_id)
        return run is not None and run.is_finished

    return is_over


def _why_left_open(context: dg.InitResourceContext) -> CybersecError:
    """Return why a phase has no result: an interrupt may arrive while no code of the phase runs."""
    if context.run and context.instance:
        failures = context.instance.all_logs(context.run.run_id, of_type=dg.DagsterEventType.STEP_FAILURE)
        events = [entry.dagster_event for entry in failures if entry.dagster_event]
        if any(event.step_failure_data.error_source is ErrorSource.INTERRUPT for event in events):
            return RunInterruptedError()
    return AuditError("the phase ended without a result", "Read the run's log")


def _disk_error(error: OSError) -> StoreError:
    remedy = "Check the permissions and the free space of CYBERSEC_HOME and CYBERSEC_SCRATCH"
    return StoreError(f"a file cannot be read or written: {error}", remedy)


def _failure(error: CybersecError) -> dg.Failure:
    """Say it on one line, and let no step be retried: a run is one unit, which starts over as a whole or not at all."""
    return dg.Failure(str(error), metadata={"exit_status": error.exit_status}, allow_retries=False)
