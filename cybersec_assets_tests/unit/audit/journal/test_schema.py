"""The audit's database is made on demand, once, refuses what the contract does not know, and is append-only."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.exc import DBAPIError

from cybersec_assets.audit.journal import schema
from cybersec_assets.audit.journal.tables import PHASES, SCHEMA_VERSION, metadata
from cybersec_assets_tests.support.audit.phases import succeed

CONTRACT = {
    "ingestion_events": ["id", "timestamp_ingesta", "nombre_archivo", "ruta_minio", "num_registros", "estado"],
    "transformation_events": [
        "id",
        "timestamp_transformacion",
        "nombre_archivo",
        "ruta_minio",
        "num_registros",
        "estado",
    ],
    "training_events": ["id", "timestamp_entrenamiento", "ruta_modelo", "num_registros", "parametros", "estado"],
    "evaluation_events": [
        "id",
        "timestamp_eval",
        "modelo_nombre",
        "nombre_dataset",
        "ruta_resultados",
        "metrics",
        "estado",
    ],
}
ROW = """
INSERT INTO ingestion_events (nombre_archivo, ruta_minio, num_registros, estado, run_id, partition_key, attempt,
    started_at, journal_seq)
VALUES ('', '', 0, :estado, 'r', 'p', 1, now(), 99)
"""


def execute(database, statement, **values):
    """Execute a statement in a transaction of its own, as whoever goes around the program would."""
    with database.engine.begin() as connection:
        return connection.execute(sa.text(statement), values)


def test_tables_begin_with_the_contracts_columns(database):
    """Each table has the contract's columns first and in order, then what all of them share."""
    inspector = sa.inspect(database.engine)
    for table, columns in CONTRACT.items():
        names = [column["name"] for column in inspector.get_columns(table, schema="public")]
        assert names[: len(columns)] == columns
        assert {"run_id", "partition_key", "sha256", "error", "journal_seq"} <= set(names[len(columns) :])


def test_migrations_make_what_the_code_expects(database):
    """A migrated database differs in nothing from the tables that the code writes to."""
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table_schema": "public"})
        differences = compare_metadata(context, metadata)
    # An index is the migration's own matter, and so is the table in which Alembic keeps the version.
    surprising = [change for change in differences if change[0] != "remove_index"]
    assert [change[1].name for change in surprising] == ["alembic_version"]


def test_the_version_in_the_code_is_the_newest_migration():
    """The version that lets a connection skip Alembic is that of the newest migration."""
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == SCHEMA_VERSION


def test_many_who_come_first_make_one_schema(settings):
    """Eight connections to a database that is not there yet all find it whole."""
    url = sa.URL.create(
        "postgresql+psycopg2", "postgres", host=settings.postgres.host, database=settings.postgres.database
    )
    with ThreadPoolExecutor(8) as pool:
        databases = list(pool.map(schema.connect, [url] * 8))
    for each in databases:
        assert execute(each, "SELECT count(*) FROM training_events").scalar() == 0
        each.close()


def test_the_state_is_success_or_failed_and_nothing_else(database):
    """The database itself refuses a state that the contract does not know, though it takes the rest of the row."""
    with pytest.raises(sa.exc.IntegrityError, match="estado"):
        execute(database, ROW, estado="MAYBE")
    assert execute(database, ROW, estado="FAILED").rowcount == 1


@pytest.mark.parametrize("table", ["audit_journal", *CONTRACT])
@pytest.mark.parametrize("change", ["UPDATE public.{} SET run_id = 'x'", "DELETE FROM public.{}", "TRUNCATE public.{}"])
def test_what_was_written_cannot_be_changed(database, journal, table, change):
    """Even the tables' owner is refused every change but an insert, and the rows stay."""
    for asset in PHASES:
        succeed(journal, asset, "name")
    before = execute(database, f"SELECT array_agg(t ORDER BY t) FROM public.{table} t").scalar()
    assert before
    with pytest.raises(DBAPIError, match="append-only"):
        execute(database, change.format(table))
    assert execute(database, f"SELECT array_agg(t ORDER BY t) FROM public.{table} t").scalar() == before
