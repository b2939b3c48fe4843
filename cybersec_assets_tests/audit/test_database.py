"""The audit's database is made on demand, once, and says clearly where it is not to be had."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from cybersec_assets.audit import database
from cybersec_assets.audit.tables import SCHEMA_VERSION, metadata
from cybersec_assets.errors import AuditError

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


def test_tables_begin_with_the_contracts_columns(engine):
    """Each table has the contract's columns first and in order, then what all of them share."""
    inspector = sa.inspect(engine)
    for table, columns in CONTRACT.items():
        names = [column["name"] for column in inspector.get_columns(table, schema="public")]
        assert names[: len(columns)] == columns
        assert {"run_id", "partition_key", "sha256", "error"} <= set(names[len(columns) :])


def test_migrations_make_what_the_code_expects(engine):
    """A migrated database differs in nothing from the tables that the code writes to."""
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table_schema": "public"})
        differences = compare_metadata(context, metadata)
    # An index is the migration's own matter, and so is the table in which Alembic keeps the version.
    surprising = [change for change in differences if change[0] != "remove_index"]
    assert [change[1].name for change in surprising] == ["alembic_version"]


def test_the_version_in_the_code_is_the_newest_migration():
    """The version that lets a connection skip Alembic is that of the newest migration."""
    config = Config()
    config.set_main_option("script_location", str(database.MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_current_head() == SCHEMA_VERSION


def test_many_who_come_first_make_one_schema(settings, make_settings):
    """Eight connections to a database that is not there yet all find it whole."""
    url = sa.URL.create("postgresql+psycopg2", "postgres", host=settings.pg_host, database=make_settings().pg_database)
    with ThreadPoolExecutor(8) as pool:
        engines = list(pool.map(database.connect, [url] * 8))
    for each in engines:
        with each.connect() as connection:
            assert connection.execute(sa.text("SELECT count(*) FROM training_events")).scalar() == 0
        each.dispose()


def test_a_schema_from_a_newer_release_is_refused(engine):
    """A database that a newer release has migrated is left alone, and the error says what to do."""
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(AuditError, match=r"9999.*a newer one"):
        database.connect(engine.url)


def test_a_server_that_is_away_is_named_without_its_password():
    """The error for an unreachable server names it and the variables to check, and hides the password."""
    url = sa.URL.create("postgresql+psycopg2", "ana", "hush-hush", "127.0.0.1", 1, "mlops_db")
    with pytest.raises(AuditError, match=r"127\.0\.0\.1:1/mlops_db refused.*Check PG_HOST") as caught:
        database.connect(url)
    assert "hush-hush" not in str(caught.value)


def test_the_state_is_success_or_failed_and_nothing_else(engine):
    """The database itself refuses a state that the contract does not know."""
    row = "INSERT INTO ingestion_events (nombre_archivo, ruta_minio, num_registros, estado, run_id, partition_key,"
    row += " attempt, started_at) VALUES ('', '', 0, 'MAYBE', 'r', 'p', 1, now())"
    with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
        connection.execute(sa.text(row))
