"""The database is created once, on demand; it rejects invalid states and changes of existing rows."""

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
    """Execute a statement in its own transaction, without the program's checks."""
    with database.engine.begin() as connection:
        return connection.execute(sa.text(statement), values)


def test_tables_begin_with_the_contracts_columns(database):
    """The columns that all tables share follow."""
    inspector = sa.inspect(database.engine)
    for table, columns in CONTRACT.items():
        names = [column["name"] for column in inspector.get_columns(table, schema="public")]
        assert names[: len(columns)] == columns
        assert {"run_id", "partition_key", "sha256", "error", "journal_seq"} <= set(names[len(columns) :])


def test_migrations_create_the_tables_of_the_code(database):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table_schema": "public"})
        differences = compare_metadata(context, metadata)
    # Only the migrations define indexes, and the table in which Alembic keeps the version.
    surprising = [change for change in differences if change[0] != "remove_index"]
    assert [change[1].name for change in surprising] == ["alembic_version"]


def test_the_version_in_the_code_is_the_newest_migration():
    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == SCHEMA_VERSION


def test_concurrent_first_connections_create_one_schema(settings):
    url = sa.URL.create(
        "postgresql+psycopg2", "postgres", host=settings.postgres.host, database=settings.postgres.database
    )
    with ThreadPoolExecutor(8) as pool:
        databases = list(pool.map(schema.connect, [url] * 8))
    for each in databases:
        assert execute(each, "SELECT count(*) FROM training_events").scalar() == 0
        each.close()


def test_the_state_is_success_or_failed(database):
    with pytest.raises(sa.exc.IntegrityError, match="estado"):
        execute(database, ROW, estado="MAYBE")
    assert execute(database, ROW, estado="FAILED").rowcount == 1


@pytest.mark.parametrize("table", ["audit_journal", *CONTRACT])
@pytest.mark.parametrize("change", ["UPDATE public.{} SET run_id = 'x'", "DELETE FROM public.{}", "TRUNCATE public.{}"])
def test_rows_cannot_be_changed(database, journal, table, change):
    """Not even by the tables' owner."""
    for asset in PHASES:
        succeed(journal, asset, "name")
    before = execute(database, f"SELECT array_agg(t ORDER BY t) FROM public.{table} t").scalar()
    assert before
    with pytest.raises(DBAPIError, match="append-only"):
        execute(database, change.format(table))
    assert execute(database, f"SELECT array_agg(t ORDER BY t) FROM public.{table} t").scalar() == before
