"""The journal under the event tables: append-only, chained by hashes, written by one function.

A migration is history: it contains its own SQL and imports nothing from `tables`, which change later.

Existing rows are added to the journal as phases without a lock, because their start was not recorded.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"

EVENTS = {
    "raw/network_events": ("ingestion_events", "timestamp_ingesta"),
    "silver/network_events": ("transformation_events", "timestamp_transformacion"),
    "gold/isolation_forest": ("training_events", "timestamp_entrenamiento"),
    "gold/evaluation": ("evaluation_events", "timestamp_eval"),
}

JOURNAL = """
CREATE TABLE public.audit_journal (
    seq bigint PRIMARY KEY,
    at timestamp NOT NULL,
    kind text NOT NULL CHECK (kind IN ('STARTED', 'SUCCESS', 'FAILED', 'ABANDONED')),
    run_id text NOT NULL,
    asset_key text NOT NULL,
    partition_key text NOT NULL,
    attempt integer NOT NULL,
    body text NOT NULL,
    prev_hash text NOT NULL UNIQUE,
    hash text NOT NULL
);
CREATE UNIQUE INDEX audit_journal_once
    ON public.audit_journal (run_id, asset_key, partition_key, attempt, (kind = 'STARTED'));
"""

CHAIN = """
CREATE FUNCTION public.audit_chain(p_entry public.audit_journal, p_lock bigint, p_row jsonb)
RETURNS public.audit_journal LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    -- The very text that is stored is what is hashed: nothing is rendered a second time.
    p_entry.body := jsonb_build_object(
        'seq', p_entry.seq, 'at', p_entry.at, 'kind', p_entry.kind, 'run_id', p_entry.run_id,
        'asset_key', p_entry.asset_key, 'partition_key', p_entry.partition_key, 'attempt', p_entry.attempt,
        'lock', p_lock, 'prev_hash', p_entry.prev_hash, 'row', p_row)::text;
    p_entry.hash := encode(sha256(convert_to(p_entry.body, 'UTF8')), 'hex');
    INSERT INTO public.audit_journal VALUES (p_entry.*);
    RETURN p_entry;
END $$;
"""

NEXT = """
CREATE FUNCTION public.audit_next() RETURNS public.audit_journal
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_last public.audit_journal;
    v_next public.audit_journal;
BEGIN
    -- Sequence and time are taken under the lock: a serial is not the order of commits, and now() is the
    -- transaction's start.
    PERFORM pg_advisory_xact_lock(7022356297716492385);
    SELECT * INTO v_last FROM public.audit_journal ORDER BY seq DESC LIMIT 1;
    v_next.at := timezone('utc', clock_timestamp());
    IF v_next.at < v_last.at - interval '10 seconds' THEN
        RAISE EXCEPTION 'its clock says %, but the audit''s last entry is of %', v_next.at, v_last.at
            USING ERRCODE = 'CY001';
    END IF;
    v_next.at := greatest(v_next.at, v_last.at);
    v_next.seq := coalesce(v_last.seq, 0) + 1;
    v_next.prev_hash := coalesce(v_last.hash, repeat('0', 64));
    RETURN v_next;
END $$;
"""

APPEND = """
CREATE FUNCTION public.audit_append(
    p_kind text, p_run_id text, p_asset_key text, p_partition_key text, p_attempt integer, p_lock bigint,
    p_details jsonb)
RETURNS public.audit_journal LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_entry public.audit_journal;
    v_known public.audit_journal;
    v_started public.audit_journal;
    v_lock bigint;
BEGIN
    -- What is long committed is looked up before the lock, for which all writers wait.
    IF p_kind <> 'STARTED' THEN
        SELECT * INTO v_started FROM public.audit_journal j
        WHERE j.run_id = p_run_id AND j.asset_key = p_asset_key AND j.partition_key = p_partition_key
            AND j.attempt = p_attempt AND (j.kind = 'STARTED') = true;
        v_lock := (v_started.body::jsonb ->> 'lock')::bigint;
        IF v_lock IS NULL OR (p_kind <> 'ABANDONED' AND v_lock IS DISTINCT FROM p_lock) THEN
            RAISE EXCEPTION 'no phase of % for % was started that could end so', p_asset_key, p_partition_key
                USING ERRCODE = 'CY002';
        END IF;
    END IF;
    v_entry := public.audit_next();
    -- A writer whose connection broke before it heard the answer asks again, and gets the answer that it missed.
    SELECT * INTO v_known FROM public.audit_journal j
    WHERE j.run_id = p_run_id AND j.asset_key = p_asset_key AND j.partition_key = p_partition_key
        AND (p_kind = 'STARTED' OR j.attempt = p_attempt) AND j.kind = p_kind
        AND (j.body::jsonb ->> 'lock')::bigint = p_lock;
    IF FOUND THEN
        RETURN v_known;
    END IF;
    v_entry.kind := p_kind;
    v_entry.run_id := p_run_id;
    v_entry.asset_key := p_asset_key;
    v_entry.partition_key := p_partition_key;
    v_entry.attempt := p_attempt;
    IF p_kind = 'STARTED' THEN
        SELECT coalesce(max(j.attempt), 0) + 1 INTO v_entry.attempt FROM public.audit_journal j
        WHERE j.run_id = p_run_id AND j.asset_key = p_asset_key AND j.partition_key = p_partition_key;
        RETURN public.audit_chain(v_entry, p_lock, NULL);
    END IF;
    IF p_kind = 'ABANDONED' AND NOT pg_try_advisory_xact_lock(v_lock) THEN
        RAISE EXCEPTION 'the phase of % for % is alive', p_asset_key, p_partition_key USING ERRCODE = 'CY003';
    END IF;
    RETURN public.audit_chain(v_entry, p_lock, public.audit_event(v_entry, v_started.at, p_details));
END $$;
"""

REFUSE = """
CREATE FUNCTION public.audit_refuse() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: the audit is append-only', TG_OP, TG_TABLE_NAME USING ERRCODE = 'CY004';
END $$;
"""


def upgrade() -> None:
    """Create the journal and its function, add existing rows to it, and make the tables append-only."""
    for table, _ in EVENTS.values():
        op.add_column(table, sa.Column("journal_seq", sa.BigInteger), schema="public")
        op.add_column(table, sa.Column("code_version", sa.Text), schema="public")
        op.add_column(table, sa.Column("libraries", JSONB), schema="public")
    for statement in (JOURNAL, CHAIN, NEXT, _event_function(), APPEND, REFUSE):
        op.execute(statement)
    # The function runs with its owner's rights, so that other roles may call it only if that is granted.
    op.execute("REVOKE ALL ON FUNCTION public.audit_append FROM PUBLIC")
    for asset, (table, _) in EVENTS.items():
        _take_in(asset, table)
    for table in ("audit_journal", *(table for table, _ in EVENTS.values())):
        _shut(table)


def _event_function() -> str:
    """Return the function that adds a phase's row; the database itself sets the columns that all tables share."""
    branches = " ELS".join(_event_branch(asset, *names) for asset, names in EVENTS.items())
    return f"""
CREATE FUNCTION public.audit_event(p_entry public.audit_journal, p_started timestamp, p_details jsonb)
RETURNS jsonb LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    v_row jsonb := jsonb_build_object('inputs', '[]'::jsonb) || p_details || jsonb_build_object(
        'estado', CASE p_entry.kind WHEN 'SUCCESS' THEN 'SUCCESS' ELSE 'FAILED' END,
        'run_id', p_entry.run_id, 'partition_key', p_entry.partition_key, 'attempt', p_entry.attempt,
        'started_at', p_started, 'journal_seq', p_entry.seq);
BEGIN
    {branches} ELSE
        RAISE EXCEPTION 'the audit knows no asset %', p_entry.asset_key USING ERRCODE = 'CY002';
    END IF;
    RETURN v_row;
END $$;
"""


def _event_branch(asset: str, table: str, moment: str) -> str:
    return f"""IF p_entry.asset_key = '{asset}' THEN
        INSERT INTO public.{table} AS t SELECT made.* FROM jsonb_populate_record(NULL::public.{table}, v_row
            || jsonb_build_object('id', nextval('public.{table}_id_seq'), '{moment}', p_entry.at)) AS made
        RETURNING to_jsonb(t) INTO v_row;
    """


def _take_in(asset: str, table: str) -> None:
    """Write journal entries for the rows that existed before the journal."""
    op.execute(f"""
DO $$
DECLARE
    v_entry public.audit_journal;
    v_row public.{table};
BEGIN
    FOR v_row IN SELECT * FROM public.{table} ORDER BY id LOOP
        FOR step IN 1..2 LOOP
            v_entry := public.audit_next();
            v_entry.kind := CASE step WHEN 1 THEN 'STARTED' ELSE v_row.estado END;
            v_entry.run_id := v_row.run_id;
            v_entry.asset_key := '{asset}';
            v_entry.partition_key := v_row.partition_key;
            v_entry.attempt := v_row.attempt;
            v_row.journal_seq := v_entry.seq;
            PERFORM public.audit_chain(v_entry, NULL, CASE step WHEN 2 THEN to_jsonb(v_row) END);
        END LOOP;
        UPDATE public.{table} SET journal_seq = v_row.journal_seq WHERE id = v_row.id;
    END LOOP;
END $$;
""")
    op.alter_column(table, "journal_seq", nullable=False, schema="public")
    op.create_unique_constraint(f"{table}_journal_seq_key", table, ["journal_seq"], schema="public")


def _shut(table: str) -> None:
    """Reject every change except an insert, for every role and in replication as well."""
    for name, event, each in (("rows", "UPDATE OR DELETE", "ROW"), ("all", "TRUNCATE", "STATEMENT")):
        trigger = f"{table}_append_only_{name}"
        op.execute(
            f"CREATE TRIGGER {trigger} BEFORE {event} ON public.{table} "
            f"FOR EACH {each} EXECUTE FUNCTION public.audit_refuse()"
        )
        op.execute(f"ALTER TABLE public.{table} ENABLE ALWAYS TRIGGER {trigger}")
