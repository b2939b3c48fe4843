"""The application may read the audit and append to it, and nothing else."""

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from cybersec_assets.audit.journal.journal import Journal
from cybersec_assets.audit.journal.queries import Audit
from cybersec_assets.audit.journal.schema import connect
from cybersec_assets.audit.journal.tables import PHASES
from cybersec_assets.audit.verify.findings import Damage
from cybersec_assets.audit.verify.verifier import Verifier
from cybersec_assets.phases import RAW
from cybersec_assets.stores.folder import FolderStore
from cybersec_assets_tests.conftest import DAY
from cybersec_assets_tests.support.audit.roles import WAYS, site, write_phase
from cybersec_assets_tests.support.verify.history import PREFIX

TABLES = ("audit_journal", *(phase.table.name for phase in PHASES.values()))
REFUSED = r"permission denied|must be owner|role \"cybersec_audit_owner_\w+\" does not exist"
ENTRY = "ROW(1, now()::timestamp, 'SUCCESS', 'r', 'raw/network_events', 'p', 1, '', '', '')::audit_journal"
FORBIDDEN = {
    "insert": "INSERT INTO {0} SELECT * FROM {0}",
    "update": "UPDATE {0} SET run_id = 'x'",
    "delete": "DELETE FROM {0}",
    "truncate": "TRUNCATE {0}",
    "alter": "ALTER TABLE {0} ADD COLUMN x text",
    "disable its triggers": "ALTER TABLE {0} DISABLE TRIGGER ALL",
    "drop a trigger": "DROP TRIGGER {0}_append_only_rows ON {0}",
    "add a trigger": "CREATE TRIGGER x BEFORE INSERT ON {0} FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
    "add a rule": "CREATE RULE x AS ON INSERT TO {0} DO INSTEAD NOTHING",
    "drop": "DROP TABLE {0} CASCADE",
    "take": "ALTER TABLE {0} OWNER TO CURRENT_USER",
}
FORBIDDEN_ONCE = {
    "chain an entry": f"SELECT audit_chain({ENTRY}, 1, NULL)",
    "take the next entry": "SELECT audit_next()",
    "add an event": f"SELECT audit_event({ENTRY}, now()::timestamp, '{{}}')",
    "replace a function": "CREATE OR REPLACE FUNCTION audit_next() RETURNS audit_journal LANGUAGE sql AS 'SELECT NULL'",
    "unpin a function": "ALTER FUNCTION audit_next() RESET search_path",
    "replace a view": "CREATE OR REPLACE VIEW audit_last_run AS SELECT 1",
    "silence triggers": "SET session_replication_role = replica",
    "make a table": "CREATE TABLE public.x (n int)",
    "say another version": "UPDATE alembic_version SET version_num = '9999'",
    "skip ids": "SELECT setval('ingestion_events_id_seq', 1)",
    "become the owner": "SET ROLE {owner}",
}


@pytest.fixture(params=WAYS, scope="module")
def divided(request, postgres):
    """Yield a database with separate roles, and a phase that the application wrote."""
    with site(postgres, request.param) as made:
        database = connect(made.application, made.migration)
        write_phase(database)
        database.close()
        yield made


def test_the_application_records_phases_and_queries(divided):
    database = connect(divided.application, divided.migration)
    failed = Journal(database).start("run-2", RAW.asset, DAY, lock=9)
    Journal(database).fail(failed, ValueError("it broke"))
    audit = Audit(database)
    answers = (audit.records(), audit.failures(), audit.last_run(), audit.anomalies())
    assert [len(rows) for rows in answers] == [1, 1, 1, 0]
    database.close()


def test_the_application_may_check_the_protections(divided, tmp_path):
    database = connect(divided.application, divided.migration)
    engine = sa.create_engine(divided.application, poolclass=sa.NullPool)
    assert protections_off(engine, tmp_path) == []
    trigger = "TRIGGER training_events_append_only_all"
    divided.execute(divided.superuser, f"ALTER TABLE training_events DISABLE {trigger}")
    assert protections_off(engine, tmp_path) == ["training_events"]
    divided.execute(divided.superuser, f"ALTER TABLE training_events ENABLE ALWAYS {trigger}")
    database.close()


def protections_off(engine, folder):
    """Return the tables whose protections are reported as off."""
    findings = Verifier(engine, FolderStore(folder), PREFIX, []).findings()
    return [each.table for each in findings if each.id == Damage.PROTECTION_OFF]


@pytest.mark.parametrize("table", TABLES)
def test_the_application_may_not_change_tables(divided, table):
    assert divided.execute(divided.application, f"SELECT count(*) FROM {table}")[0] >= 0
    for name, statement in FORBIDDEN.items():
        with pytest.raises(DBAPIError, match=REFUSED):
            pytest.fail(f"{name}: {divided.execute(divided.application, statement.format(table))}")


def test_the_application_may_not_bypass_the_function(divided):
    for name, statement in FORBIDDEN_ONCE.items():
        with pytest.raises(DBAPIError, match=REFUSED):
            pytest.fail(f"{name}: {divided.execute(divided.application, statement.replace('{owner}', divided.owner))}")


def test_a_superuser_may_call_the_inner_function(divided):
    """A negative control: only the application's rights are missing."""
    assert divided.execute(divided.superuser, "SELECT (audit_next()).seq")[0] > 2


def test_other_roles_may_do_nothing(divided):
    stranger = f"stranger_{divided.superuser.database}"
    divided.execute(divided.superuser, f"CREATE ROLE {stranger} LOGIN")
    try:
        asked = ("SELECT * FROM audit_journal", "SELECT audit_append('STARTED', 'r', 'a', 'p', 1, 1, '{}')")
        for statement in asked:
            with pytest.raises(DBAPIError, match="permission denied"):
                divided.execute(divided.superuser.set(username=stranger), statement)
    finally:
        divided.execute(divided.superuser, f"DROP ROLE {stranger}")
