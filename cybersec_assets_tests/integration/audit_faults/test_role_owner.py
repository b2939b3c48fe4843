"""Which roles are made and used for the schema, and what is said where one lacks a right."""

import pytest
from sqlalchemy.exc import OperationalError

from cybersec_assets.audit.journal.schema import connect
from cybersec_assets.errors import AuditError
from cybersec_assets_tests.support.audit.roles import CREATEROLE, NO_CREATEROLE, Site, site, write_phase
from cybersec_assets_tests.support.audit.schemas import migrate_to

OWNERS = """
SELECT array_agg(DISTINCT pg_get_userbyid(relowner)) FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v', 'S')
"""


@pytest.fixture
def created(postgres):
    """A database whose migration role may make roles, and made them."""
    with site(postgres, CREATEROLE) as made:
        connect(made.application, made.migration).close()
        yield made


def test_the_owner_cannot_log_in(created):
    """Whoever owns the tables is a role that nobody can be without being let in by another."""
    assert created.execute(created.superuser, OWNERS)[0] == [created.owner]
    with pytest.raises(OperationalError, match="not permitted to log in"):
        created.execute(created.superuser.set(username=created.owner), "SELECT 1")


def test_two_audits_on_one_server(postgres, created):
    """A second audit of the same server, with a migration role of its own, is made like the first."""
    with site(postgres, CREATEROLE) as second:
        for made in (created, second):
            database = connect(made.application, made.migration)
            write_phase(database)
            database.close()
            assert made.execute(made.superuser, OWNERS)[0] == [made.owner]


@pytest.mark.parametrize("database", ["d" * 63, "ü" * 31, 'of "two": words'])
def test_an_owner_of_any_database(postgres, database):
    """The owner is made under a name that PostgreSQL keeps whole, however the database is called."""
    with site(postgres, CREATEROLE) as made:
        quoted = f'"{database.replace(chr(34), chr(34) * 2)}"'
        made.execute(
            made.superuser.set(database="postgres"), f"ALTER DATABASE {made.superuser.database} RENAME TO {quoted}"
        )
        renamed = Site(*(url.set(database=database) for url in (made.superuser, made.migration, made.application)))
        connect(renamed.application, renamed.migration).close()
        owners = renamed.execute(renamed.superuser, OWNERS)[0]
        name = owners[0].replace(chr(34), chr(34) * 2)
        renamed.execute(
            renamed.superuser,
            f'REASSIGN OWNED BY "{name}" TO postgres',
            f'DROP OWNED BY "{name}"',
            f'DROP ROLE "{name}"',
        )
        made.execute(
            made.superuser.set(database="postgres"), f"ALTER DATABASE {quoted} RENAME TO {made.superuser.database}"
        )
    assert owners == [renamed.owner]


def test_the_schema_is_upgraded_for_the_application(created):
    """After the rights were divided the migration role can migrate on, and the application finds the new schema."""
    created.execute(created.migration, "DROP VIEW audit_last_run, audit_records, audit_failures CASCADE")
    created.execute(created.migration, "DROP VIEW audit_models, audit_serves, audit_phases CASCADE")
    created.execute(created.migration, "ALTER TABLE ingestion_events DROP COLUMN rejected, DROP COLUMN lines")
    created.execute(created.migration, "DROP INDEX ingestion_events_by_path, transformation_events_by_path")
    created.execute(created.migration, "DROP INDEX training_events_by_path, evaluation_events_by_path")
    created.execute(created.migration, "DROP INDEX ingestion_events_failed, transformation_events_failed")
    created.execute(created.migration, "DROP INDEX training_events_failed, evaluation_events_failed")
    created.execute(created.migration, "UPDATE alembic_version SET version_num = '0002'")
    database = connect(created.application, created.migration)
    write_phase(database)
    database.close()
    assert created.execute(created.application, "SELECT count(*) FROM audit_records")[0] == 1
    assert created.execute(created.superuser, OWNERS)[0] == [created.owner]


def test_without_the_right_to_make_roles_the_migration_role_is_the_owner(postgres):
    """A migration role that may make no roles keeps what it made, and no owner appears."""
    with site(postgres, NO_CREATEROLE) as made:
        connect(made.application, made.migration).close()
        assert made.execute(made.superuser, OWNERS)[0] == [made.migration.username]
        assert made.execute(made.superuser, f"SELECT 1 FROM pg_roles WHERE rolname = '{made.owner}'") is None


def test_one_role_for_everything(postgres):
    """A single role without any right but on its own database makes the schema and works with it."""
    with site(postgres, NO_CREATEROLE) as made:
        database = connect(made.migration)
        assert write_phase(database).seq == 2
        database.close()
        connect(made.migration).close()


@pytest.mark.parametrize("version", [None, "0001", "0002", "0003"])
def test_the_application_alone_cannot_migrate(postgres, version):
    """An application that finds no schema, or an older one, and may not change it, is told on one line what to set."""
    with site(postgres, NO_CREATEROLE) as made:
        if version:
            migrate_to(made.migration, version, application=made.application)
        with pytest.raises(AuditError, match=r"(permission denied|must be owner).*PG_MIGRATION_USER") as caught:
            connect(made.application)
        assert "\n" not in str(caught.value)
        connect(made.application, made.migration).close()
        connect(made.application).close()
