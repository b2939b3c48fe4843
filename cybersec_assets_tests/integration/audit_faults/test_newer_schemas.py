"""A program works with a newer schema only where the database declares it compatible."""

import pytest
import sqlalchemy as sa

from cybersec_assets.audit.journal.schema import connect
from cybersec_assets.audit.journal.tables import SCHEMA_VERSION
from cybersec_assets.audit.verify.findings import Damage
from cybersec_assets.audit.verify.verifier import Verifier
from cybersec_assets.errors import AuditError
from cybersec_assets.stores.folder import FolderStore
from cybersec_assets_tests.support.audit.roles import CREATEROLE, WAYS, site, write_phase
from cybersec_assets_tests.support.audit.schemas import migrate_to
from cybersec_assets_tests.support.verify.history import PREFIX

NEWER = "0099"
STAMP = f"UPDATE alembic_version SET version_num = '{NEWER}'"
OLDEST = "CREATE OR REPLACE VIEW audit_serves AS SELECT '{}' AS oldest"
REFUSED = {
    "it serves no older program": OLDEST.format(NEWER),
    "it does not name the programs that it serves": "DROP VIEW audit_serves",
}


@pytest.fixture(params=WAYS)
def newer(request, postgres):
    """Yield a database that a newer program has migrated."""
    with site(postgres, request.param) as made:
        connect(made.application, made.migration).close()
        made.execute(made.migration, "CREATE VIEW audit_newer AS SELECT 1 AS newest", STAMP)
        yield made


def test_a_compatible_newer_schema_is_used(newer, tmp_path):
    """The verifier reports only the object that the test did not store."""
    newer.execute(newer.migration, OLDEST.format(SCHEMA_VERSION))
    database = connect(newer.application, newer.migration.set(username="nobody_yet"))
    assert write_phase(database).seq == 2
    database.close()
    engine = sa.create_engine(newer.application, poolclass=sa.NullPool)
    found = Verifier(engine, FolderStore(tmp_path), PREFIX, []).findings()
    assert [each.id for each in found] == [Damage.OBJECT_MISSING]


def test_the_migrations_role_changes_nothing(newer):
    """Version and rights stay, for another application as well."""
    connect(newer.application, newer.migration).close()
    with pytest.raises(AuditError, match='role "nobody_yet" does not exist'):
        connect(newer.application.set(username="nobody_yet"), newer.migration)
    assert newer.execute(newer.superuser, "SELECT version_num FROM alembic_version")[0] == NEWER
    assert newer.execute(newer.superuser, "SELECT relacl IS NULL FROM pg_class WHERE relname = 'audit_newer'")[0]


@pytest.mark.parametrize("statement", REFUSED.values(), ids=REFUSED)
def test_an_incompatible_newer_schema_is_rejected(newer, statement):
    """The message says to use the newer program."""
    newer.execute(newer.migration, statement)
    for owner in (None, newer.migration):
        with pytest.raises(AuditError, match=rf"'{NEWER}'.*Use the release .* a newer one\.$") as caught:
            connect(newer.application, owner)
        assert "\n" not in str(caught.value)


def test_an_older_schema_is_migrated_although_it_is_compatible(postgres):
    with site(postgres, CREATEROLE) as made:
        migrate_to(made.migration, "0004", application=made.application)
        made.execute(made.migration, OLDEST.format("0001"))
        with pytest.raises(AuditError, match='"audit_serves" already exists'):
            connect(made.application, made.migration)
        made.execute(made.migration, "DROP VIEW audit_serves")
        connect(made.application, made.migration).close()
        assert made.execute(made.application, "SELECT oldest FROM audit_serves")[0] == SCHEMA_VERSION
        assert made.execute(made.application, "SELECT version_num FROM alembic_version")[0] == SCHEMA_VERSION
