"""A program works with a newer program's schema where the database says that it serves it, and only there."""

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
    "it serves none that is older": OLDEST.format(NEWER),
    "it does not say whom it serves": "DROP VIEW audit_serves",
}


@pytest.fixture(params=WAYS)
def newer(request, postgres):
    """A database of this program's that a newer one has migrated since: its view and its revision are new."""
    with site(postgres, request.param) as made:
        connect(made.application, made.migration).close()
        made.execute(made.migration, "CREATE VIEW audit_newer AS SELECT 1 AS newest", STAMP)
        yield made


def test_phases_are_recorded_and_checked(newer, tmp_path):
    """The application asks no other role, records a phase, and the check misses only the object that nobody made."""
    newer.execute(newer.migration, OLDEST.format(SCHEMA_VERSION))
    database = connect(newer.application, newer.migration.set(username="nobody_yet"))
    assert write_phase(database).seq == 2
    database.close()
    engine = sa.create_engine(newer.application, poolclass=sa.NullPool)
    found = Verifier(engine, FolderStore(tmp_path), PREFIX, []).findings()
    assert [each.id for each in found] == [Damage.OBJECT_MISSING]


def test_whoever_may_migrate_leaves_it_as_it_is(newer):
    """With the role that makes the schema, too, revision and rights stay the newer program's, also for a stranger."""
    connect(newer.application, newer.migration).close()
    with pytest.raises(AuditError, match='role "nobody_yet" does not exist'):
        connect(newer.application.set(username="nobody_yet"), newer.migration)
    assert newer.execute(newer.superuser, "SELECT version_num FROM alembic_version")[0] == NEWER
    assert newer.execute(newer.superuser, "SELECT relacl IS NULL FROM pg_class WHERE relname = 'audit_newer'")[0]


@pytest.mark.parametrize("statement", REFUSED.values(), ids=REFUSED)
def test_it_is_refused(newer, statement):
    """Without the database's word for this program both roles are told on one line to use the newer program."""
    newer.execute(newer.migration, statement)
    for owner in (None, newer.migration):
        with pytest.raises(AuditError, match=rf"'{NEWER}'.*Use the release .* a newer one\.$") as caught:
            connect(newer.application, owner)
        assert "\n" not in str(caught.value)


def test_an_older_schema_is_migrated_whatever_it_serves(postgres):
    """That a schema serves this program keeps no older one from being brought up to date."""
    with site(postgres, CREATEROLE) as made:
        migrate_to(made.migration, "0004", application=made.application)
        made.execute(made.migration, OLDEST.format("0001"))
        with pytest.raises(AuditError, match='"audit_serves" already exists'):
            connect(made.application, made.migration)
        made.execute(made.migration, "DROP VIEW audit_serves")
        connect(made.application, made.migration).close()
        assert made.execute(made.application, "SELECT oldest FROM audit_serves")[0] == SCHEMA_VERSION
        assert made.execute(made.application, "SELECT version_num FROM alembic_version")[0] == SCHEMA_VERSION
