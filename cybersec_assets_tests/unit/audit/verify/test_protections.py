"""A protection of the audit that is missing, changed or bypassed is a finding, even if nothing was changed yet."""

import pytest

from cybersec_assets.audit.journal.tables import PHASES
from cybersec_assets.audit.verify.protections import BODIES
from cybersec_assets_tests.support.verify.scene import TABLES

OFF = "ALTER TABLE public.{0} "
TRIGGERS = {
    "switched off": OFF + "DISABLE TRIGGER {0}_append_only_rows",
    "off in replication": OFF + "ENABLE TRIGGER {0}_append_only_rows",
    "on in replication only": OFF + "ENABLE REPLICA TRIGGER {0}_append_only_all",
    "dropped": "DROP TRIGGER {0}_append_only_all ON public.{0}",
    "of one column": "DROP TRIGGER {0}_append_only_rows ON public.{0}; CREATE TRIGGER {0}_append_only_rows "
    "BEFORE UPDATE OF attempt ON public.{0} FOR EACH ROW EXECUTE FUNCTION public.audit_refuse(); "
    "ALTER TABLE public.{0} ENABLE ALWAYS TRIGGER {0}_append_only_rows",
    "another": "CREATE TRIGGER another BEFORE INSERT ON public.{0} FOR EACH ROW EXECUTE FUNCTION public.audit_refuse()",
}
OTHERS = {
    "a rule": "CREATE RULE another AS ON UPDATE TO public.{0} DO INSTEAD NOTHING",
    "a right": "GRANT INSERT ON public.{0} TO PUBLIC",
    "a right to a column": "GRANT UPDATE (run_id) ON public.{0} TO pg_monitor",
}
FUNCTIONS = {
    "another body": "CREATE OR REPLACE FUNCTION public.audit_refuse() RETURNS trigger LANGUAGE plpgsql "
    "SET search_path = pg_catalog, pg_temp AS $$ BEGIN RETURN NEW; END $$",
    "no path": "ALTER FUNCTION public.audit_append RESET search_path",
    "another path": "ALTER FUNCTION public.audit_next SET search_path = public, pg_catalog",
    "as its caller": "ALTER FUNCTION public.audit_append SECURITY INVOKER",
    "as its owner": "ALTER FUNCTION public.audit_chain SECURITY DEFINER",
    "gone": "DROP FUNCTION public.audit_event",
    "a second of that name": "CREATE FUNCTION public.audit_append() RETURNS int LANGUAGE sql AS 'SELECT 1'",
}
INDEXES = {
    "once": "DROP INDEX public.audit_journal_once",
    "prev_hash": "ALTER TABLE public.audit_journal DROP CONSTRAINT audit_journal_prev_hash_key",
    "not unique": "DROP INDEX public.audit_journal_once; CREATE INDEX audit_journal_once ON public.audit_journal (seq)",
}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("statement", (TRIGGERS | OTHERS).values(), ids=TRIGGERS | OTHERS)
def test_a_table_without_protection(scene, table, statement):
    scene.sql(statement.format(table))
    assert scene.check() == [("protection-off", table, 0)]


@pytest.mark.parametrize("statement", FUNCTIONS.values(), ids=FUNCTIONS)
def test_a_changed_function(scene, statement):
    scene.sql(statement)
    assert scene.check() == [("protection-off", "audit_journal", 0)]


@pytest.mark.parametrize("name", BODIES)
def test_a_function_whose_body_differs_by_a_comment(scene, name):
    definition = scene.sql(f"SELECT pg_get_functiondef('public.{name}'::regproc)")[0][0]
    scene.sql(definition.replace("BEGIN", "BEGIN -- another", 1))
    assert scene.check() == [("protection-off", "audit_journal", 0)]


@pytest.mark.parametrize("statement", INDEXES.values(), ids=INDEXES)
def test_a_journal_without_a_unique_index(scene, statement):
    scene.sql(statement)
    assert scene.check() == [("protection-off", "audit_journal", 0)]


@pytest.mark.parametrize("table", [phase.table.name for phase in PHASES.values()])
def test_an_event_table_without_its_unique_index(scene, table):
    scene.sql(f"ALTER TABLE public.{table} DROP CONSTRAINT {table}_journal_seq_key")
    assert scene.check() == [("protection-off", table, 0)]


def test_a_check_with_since_includes_protections(scene):
    scene.sql(TRIGGERS["switched off"].format("training_events"))
    assert scene.check(scene.entries()[-1].at) == [("protection-off", "training_events", 0)]


def test_additions_of_a_site(scene):
    """A right to read, an index and a view are no damage."""
    scene.sql("GRANT SELECT ON public.audit_journal TO PUBLIC; CREATE INDEX own_index ON public.audit_journal (at)")
    scene.sql("CREATE VIEW public.own_view AS SELECT * FROM public.audit_journal")
    assert scene.check() == []
