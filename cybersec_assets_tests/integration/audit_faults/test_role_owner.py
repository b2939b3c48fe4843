"""The roles that are created for the schema, and the message where a role lacks a right."""

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
    """Yield a database whose migrations' role may create roles, and created them."""
    with site(postgres, CREATEROLE) as made:
        connect(made.application, made.migration).close()
        yield made


def test_the_owner_cannot_log_in(created):
    assert created.execute(created.superuser, OWNERS)[0] == [created.owner]
    with pytest.raises(OperationalError, match="not permitted to log in"):
        created.execute(created.superuser.set(username=created.owner), "SELECT 1")


def test_two_audits_on_one_server(postgres, created):
    """Each has its own migrations' role."""
    with site(postgres, CREATEROLE) as second:
        for made in (created, second):
            database = connect(made.application, made.migration)
            write_phase(database)
            database.close()
            assert made.execute(made.superuser, OWNERS)[0] == [made.owner]


@pytest.mark.parametrize("database", ["d" * 63, "ü" * 31, 'of "two": words'])
def test_the_owners_name_is_not_truncated(postgres, database):
    """Whatever the database is called."""
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


def test_the_migrations_role_can_migrate_later(created):
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


def test_a_role_that_may_not_create_roles_is_the_owner(postgres):
    with site(postgres, NO_CREATEROLE) as made:
        connect(made.application, made.migration).close()
        assert made.execute(made.superuser, OWNERS)[0] == [made.migration.username]
        assert made.execute(made.superuser, f"SELECT 1 FROM pg_roles WHERE rolname = '{made.owner}'") is None


def test_one_role_for_everything(postgres):
    """It has no right except on its own database."""
    with site(postgres, NO_CREATEROLE) as made:
        database = connect(made.migration)
        assert write_phase(database).seq == 2
        database.close()
        connect(made.migration).close()


@pytest.mark.parametrize("version", [None, "0001", "0002", "0003"])
def test_the_application_alone_cannot_migrate(postgres, version):
    """The message names the variable to set, on one line."""
    with site(postgres, NO_CREATEROLE) as made:
        if version:
            migrate_to(made.migration, version, application=made.application)
        with pytest.raises(AuditError, match=r"(permission denied|must be owner).*PG_MIGRATION_USER") as caught:
            connect(made.application)
        assert "\n" not in str(caught.value)
        connect(made.application, made.migration).close()
        connect(made.application).close()
