"""Compare the database's protections of the audit with those that the migrations made.

Triggers refuse changes, functions write, unique indexes refuse duplicates, and only the owner may write. Whether the
owner can log in is not checked: in a database with one role for everything it can.
"""

from collections.abc import Iterable, Iterator

from cybersec_assets.audit.journal.tables import PHASES
from cybersec_assets.audit.verify.findings import JOURNAL, Damage, Finding

PROTECTED = (JOURNAL, *(phase.table.name for phase in PHASES.values()))
BODIES = {
    "audit_append": "999708536656806a2fa379b34e3eff8608cfb7456203208a7e5dadd3ac27e74d",
    "audit_chain": "0b26007ab40afe4a210b92eb51c2b6d88676a1e673f2fbd5c768853e2958d98d",
    "audit_event": "ab693327d4d696d9c765749da86b74dafaa83c30745c3b050c882664e0329779",
    "audit_next": "a7a7a2a5335526ebf227ad8124533c2afcf7242efb5dcfd4520c39b2485f4d95",
    "audit_refuse": "0044205de6007781e23ca23d606f1f68bf18f01f03751e8f5596a19dd6e7e34e",
}
"""The SHA-256 of each function's body. A migration that replaces a function changes it here as well."""
PROTECTIONS = """
SELECT c.relname, 'trigger ' || t.tgname, CASE t.tgenabled WHEN 'A' THEN 'always on' WHEN 'D' THEN 'switched off'
    ELSE 'off in replication' END || ', ' || pg_get_triggerdef(t.oid)
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (:tables) AND NOT t.tgisinternal
UNION ALL
SELECT c.relname, 'rule ' || r.rulename, pg_get_ruledef(r.oid) FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (:tables)
UNION ALL
SELECT c.relname, 'index ' || i.relname, CASE WHEN x.indisvalid THEN '' ELSE 'invalid, ' END || pg_get_indexdef(i.oid)
FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
WHERE c.relnamespace = 'public'::regnamespace AND 'index ' || i.relname = ANY (:names)
UNION ALL
SELECT 'audit_journal', 'function ' || p.proname, string_agg(
    CASE WHEN p.prosecdef THEN 'as its owner, ' ELSE 'as its caller, ' END
    || coalesce(array_to_string(p.proconfig, '; '), 'no search_path')
    || ', body ' || encode(sha256(convert_to(p.prosrc, 'UTF8')), 'hex'), ' and ' ORDER BY p.oid)
FROM pg_proc p WHERE p.pronamespace = 'public'::regnamespace AND 'function ' || p.proname = ANY (:names)
GROUP BY p.proname
UNION ALL
SELECT c.relname, 'right to ' || a.privilege_type, 'granted to ' || CASE a.grantee WHEN 0 THEN 'PUBLIC'
    ELSE pg_get_userbyid(a.grantee) END
FROM pg_class c
    JOIN (SELECT oid, relacl FROM pg_class UNION ALL SELECT attrelid, attacl FROM pg_attribute) AS w (oid, acl)
        USING (oid)
    CROSS JOIN LATERAL aclexplode(w.acl) AS a
WHERE c.relnamespace = 'public'::regnamespace AND c.relname = ANY (:tables) AND a.grantee <> c.relowner
    AND a.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER')
"""
"""Select table, name and definition of each protection, and of everything that could bypass one."""


def _expected() -> dict[tuple[str, str], str]:
    """Return what the migrations made, as PostgreSQL describes it."""
    made = {
        (JOURNAL, f"function {name}"): f"as its {'owner' if name == 'audit_append' else 'caller'}, "
        f"search_path=pg_catalog, pg_temp, body {body}"
        for name, body in BODIES.items()
    }
    for table in PROTECTED:
        for name, event, each in (("rows", "DELETE OR UPDATE", "ROW"), ("all", "TRUNCATE", "STATEMENT")):
            trigger = f"{table}_append_only_{name}"
            made[table, f"trigger {trigger}"] = (
                f"always on, CREATE TRIGGER {trigger} BEFORE {event} ON public.{table} "
                f"FOR EACH {each} EXECUTE FUNCTION public.audit_refuse()"
            )
    once = "run_id, asset_key, partition_key, attempt, ((kind = 'STARTED'::text))"
    indexes = [
        (JOURNAL, "audit_journal_pkey", "seq"),
        (JOURNAL, "audit_journal_prev_hash_key", "prev_hash"),
        (JOURNAL, "audit_journal_once", once),
        *((table, f"{table}_journal_seq_key", "journal_seq") for table in PROTECTED[1:]),
    ]
    for table, name, columns in indexes:
        made[table, f"index {name}"] = f"CREATE UNIQUE INDEX {name} ON public.{table} USING btree ({columns})"
    return made


EXPECTED = _expected()
PROTECTION_NAMES = sorted(name for _, name in EXPECTED)


def check_protections(found: Iterable[tuple[str, str, str]]) -> Iterator[Finding]:
    """Yield which protection is missing or changed, and what bypasses one.

    Args:
        found: The rows of `PROTECTIONS`.
    """
    missing = dict(EXPECTED)
    for table, name, definition in found:
        expected = missing.pop((table, name), None)
        if expected is None:
            yield _finding(table, f"{name} was not made by the audit: {definition}")
        elif definition != expected:
            yield _finding(table, f"{name} was changed: {definition}")
    yield from (_finding(table, f"{name} is missing") for table, name in missing)


def _finding(table: str, what: str) -> Finding:
    return Finding(Damage.PROTECTION_OFF, table, 0, what)
