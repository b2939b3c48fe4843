"""The audit as a Dagster resource: a connection for the run, and the phases that are open in it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dagster as dg
import sqlalchemy as sa
from pydantic import Field, PrivateAttr

from cybersec_assets.artifact import Artifact
from cybersec_assets.audit.database import connect
from cybersec_assets.audit.journal import Journal, Phase
from cybersec_assets.audit.queries import Audit, Record
from cybersec_assets.errors import AuditError, CybersecError, RunInterruptedError, StoreError
from cybersec_assets.resources.embedded_postgres import data_folder, embedded_postgres

DRIVER = "postgresql+psycopg2"


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

    _run_id: str = PrivateAttr(default="")
    _phases: dict[tuple[str, str], Phase] = PrivateAttr(default_factory=dict)
    _stack: ExitStack = PrivateAttr(default_factory=ExitStack)
    _engine: sa.Engine | None = PrivateAttr(default=None)

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["AuditResource"]:
        """Live as long as the run; a phase that nobody closed is a failed one."""
        self._run_id = context.run.run_id if context.run else ""
        with self.session():
            try:
                yield self
            finally:
                for asset, partition in list(self._phases):
                    self._fail(asset, partition, AuditError("the phase ended without a result", "Read the run's log"))

    @contextmanager
    def session(self) -> Iterator["AuditResource"]:
        """Leave no connection and no server behind; both are made at the first use."""
        try:
            with self._stack:
                yield self
        finally:
            self._engine = None

    @property
    def location(self) -> str:
        """Say where the audit lies, for people."""
        if self.host is None:
            return f"embedded PostgreSQL in {data_folder(Path(self.home))}, database {self.database}"
        return f"{self.host}:{self.port}, database {self.database}"

    def engine(self) -> sa.Engine:
        """Connect at the first call.

        Raises:
            AuditError: The database cannot be reached.
        """
        if self._engine is None:
            self._engine = connect(self._url())
            self._stack.callback(self._engine.dispose)
        return self._engine

    def ask(self) -> Audit:
        """Give the audit's answers."""
        return Audit(self.engine())

    def find_input(self, phase: Phase, asset: str, lineage_of: str | None = None) -> Record:
        """Find the object that a phase reads of an asset; see `Audit.input_of`."""
        return self.ask().input_of(
            phase.run_id, asset, phase.partition, lineage_of, heir_uri=phase.input_uri(lineage_of)
        )

    @contextmanager
    def phase(self, asset: str, partition: str) -> Iterator[Phase]:
        """Work on a phase: it opens at the first use and stays open for the next, until it succeeds or fails.

        Raises:
            dagster.Failure: The project's own error, on one line.
        """
        try:
            yield self._open(asset, partition)
        except (CybersecError, OSError) as error:
            known = error if isinstance(error, CybersecError) else _disk_error(error)
            self._fail(asset, partition, known)
            raise _failure(known) from None
        except Exception as error:
            self._fail(asset, partition, error)
            raise
        except BaseException:
            self._fail(asset, partition, RunInterruptedError())
            raise

    def succeed(self, phase: Phase, artifact: Artifact) -> None:
        """Close a phase whose object is stored and was read back."""
        Journal(self.engine(), self._run_id).succeed(phase, artifact)
        del self._phases[phase.asset, phase.partition]

    def _open(self, asset: str, partition: str) -> Phase:
        key = asset, partition
        if key not in self._phases:
            self._phases[key] = Journal(self.engine(), self._run_id).open(asset, partition)
        return self._phases[key]

    def _fail(self, asset: str, partition: str, error: BaseException) -> None:
        phase = self._phases.pop((asset, partition), None)
        if phase is None:
            return
        try:
            Journal(self.engine(), self._run_id).fail(phase, error)
        except Exception as second:  # noqa: BLE001 - whatever it is, it must not hide the phase's own error
            dg.get_dagster_logger().error(str(second))

    def _url(self) -> sa.URL:
        if self.host is None:
            folder = self._stack.enter_context(embedded_postgres(Path(self.home)))
            return sa.URL.create(DRIVER, "postgres", database=self.database, query={"host": str(folder)})
        query = {"sslmode": self.sslmode} | ({"sslrootcert": self.sslrootcert} if self.sslrootcert else {})
        return sa.URL.create(DRIVER, self.user, self.password, self.host, self.port, self.database, query)


def _disk_error(error: OSError) -> StoreError:
    remedy = "Check the permissions and the free space of CYBERSEC_HOME and CYBERSEC_SCRATCH"
    return StoreError(f"a file cannot be read or written: {error}", remedy)


def _failure(error: CybersecError) -> dg.Failure:
    """Say it on one line, and let no step be retried: a run is one unit, which starts over as a whole or not at all."""
    return dg.Failure(str(error), metadata={"exit_status": error.exit_status}, allow_retries=False)
