"""Damage to the event tables by an attacker with all rights in the database."""

from cybersec_assets.audit.journal.tables import PHASES
from cybersec_assets.phases import RAW
from cybersec_assets_tests.support.verify.journal_damage import ENDS
from cybersec_assets_tests.support.verify.scene import apart, row_of, table_of

COMMON = ("run_id", "partition_key", "error", "code_version", "sha256")
SHARED = (
    "nombre_archivo, ruta_minio, num_registros, estado, run_id, partition_key, attempt, started_at, sha256, "
    "size_bytes, inputs, error, journal_seq, code_version, libraries"
)
"""Columns that both tables have, ingestion_events and transformation_events."""


def a_value_of_a_row(scene, rng):
    """Change one of a row's columns."""
    entry = rng.choice(scene.entries(*ENDS))
    own = PHASES[entry.asset_key]
    changes = {name: f"coalesce({name}, '') || 'x'" for name in (*COMMON, own.path)}
    changes |= {"attempt": "attempt + 1", "started_at": "started_at + interval '1 microsecond'"}
    changes |= {"size_bytes": "coalesce(size_bytes, 0) + 1", "inputs": """inputs || '["x"]'"""}
    changes |= {own.time: f"{own.time} + interval '1 second'", "libraries": "NULL", "id": "id + 100000"}
    changes |= {"estado": "CASE estado WHEN 'SUCCESS' THEN 'FAILED' ELSE 'SUCCESS' END"}
    column = rng.choice(sorted(changes))
    scene.sql(f"UPDATE public.{table_of(entry)} SET {column} = {changes[column]} WHERE journal_seq = {entry.seq}")
    return [(*apart(entry)[:2], row_of(entry)["id"] + 100000)] if column == "id" else [apart(entry)]


def a_type_of_value(scene, rng):
    """Replace a number by a boolean, which Python takes for equal."""
    entry = rng.choice(scene.entries("SUCCESS"))
    scene.sql(
        f"UPDATE public.{table_of(entry)} SET inputs = jsonb_set(inputs, '{{0,size}}', 'true') "
        f"WHERE journal_seq = {entry.seq}"
    )
    return [apart(entry)]


def an_added_column(scene, rng):
    """Add a column that no release has, with a value."""
    entry = rng.choice(scene.entries(*ENDS))
    scene.sql(f"ALTER TABLE public.{table_of(entry)} ADD COLUMN IF NOT EXISTS forged text")
    scene.sql(f"UPDATE public.{table_of(entry)} SET forged = 'x' WHERE journal_seq = {entry.seq}")
    return [apart(entry)]


def made_up_rejected_lines(scene, rng):
    """Add rejected lines to a row without any."""
    entry = rng.choice([each for each in scene.entries(*ENDS) if each.asset_key == RAW.asset and not _rejected(each)])
    rejected = '{"lines": 1, "share": 0.5, "uri": "s3://tested-raw/x", "sha256": "", "size": 0}'
    scene.sql(f"UPDATE public.ingestion_events SET rejected = '{rejected}' WHERE journal_seq = {entry.seq}")
    return [apart(entry)]


def other_rejected_lines(scene, rng):
    """Change or remove the rejected lines of a row."""
    entry = rng.choice(scene.with_rejected_lines())
    changes = ["NULL", "'null'", "'{}'", "rejected - 'sha256'", "jsonb_set(rejected, '{lines}', '2')"]
    changes += ["jsonb_set(rejected, '{size}', 'true')", """jsonb_set(rejected, '{uri}', '"s3://tested-raw/x"')"""]
    scene.sql(f"UPDATE public.ingestion_events SET rejected = {rng.choice(changes)} WHERE journal_seq = {entry.seq}")
    return [apart(entry)]


def a_deleted_row(scene, rng):
    """Delete a row."""
    entry = rng.choice(scene.entries(*ENDS))
    scene.sql(f"DELETE FROM public.{table_of(entry)} WHERE journal_seq = {entry.seq}")
    return [apart(entry)]


def an_inserted_row(scene, rng):
    """Add a row that refers to no entry, a missing entry, a STARTED entry, or an entry of another asset."""
    entry = rng.choice(scene.entries(*ENDS))
    others = [each.seq for each in scene.entries(*ENDS) if each.asset_key != entry.asset_key]
    seq = rng.choice(["NULL", scene.last() + 1, rng.choice(scene.entries("STARTED")).seq, rng.choice(others)])
    return _insert(scene, entry, seq)


def a_row_before_the_first(scene, rng):
    """Add a row that refers to an entry before the first."""
    return _insert(scene, rng.choice(scene.entries(*ENDS)), -rng.randrange(3))


def a_moved_row(scene, rng):
    """Move a row to the table of another asset."""
    moved = rng.choice([entry for entry in scene.entries(*ENDS) if entry.asset_key.endswith("/network_events")])
    tables = ["ingestion_events", "transformation_events"]
    other = tables[1 - tables.index(table_of(moved))]
    made = scene.sql(
        f"INSERT INTO public.{other} (id, {SHARED}) SELECT nextval('public.{other}_id_seq'), {SHARED} "
        f"FROM public.{table_of(moved)} WHERE journal_seq = {moved.seq} RETURNING id"
    )
    scene.sql(f"DELETE FROM public.{table_of(moved)} WHERE journal_seq = {moved.seq}")
    return [apart(moved), ("tables-apart", other, made[0][0])]


def a_doubled_row(scene, rng):
    """Add a copy of a row with a new id."""
    entry = rng.choice(scene.entries(*ENDS))
    return _insert(scene, entry, entry.seq)


def a_row_twice(scene, rng):
    """Add a copy of a row with the same id."""
    entry = rng.choice(scene.entries(*ENDS))
    table = f"public.{table_of(entry)}"
    scene.sql(f"INSERT INTO {table} SELECT * FROM {table} WHERE journal_seq = {entry.seq}")
    return [apart(entry)]


def swapped_rows(scene, rng):
    """Swap the entries that two rows of a table refer to."""
    asset = rng.choice(list(PHASES))
    a, b = rng.sample([entry for entry in scene.entries(*ENDS) if entry.asset_key == asset], 2)
    scene.sql(
        f"UPDATE public.{table_of(a)} SET journal_seq = CASE journal_seq WHEN {a.seq} THEN {b.seq} ELSE {a.seq} END "
        f"WHERE journal_seq IN ({a.seq}, {b.seq})"
    )
    return [apart(a), apart(b)]


def _rejected(entry):
    return row_of(entry)["rejected"]


def _insert(scene, like, seq):
    """Add a copy of an entry's row with a new id and another `journal_seq`."""
    table = f"public.{table_of(like)}"
    made = scene.sql(
        f"INSERT INTO {table} SELECT made.* FROM {table} t, jsonb_populate_record(t, "
        f"jsonb_build_object('id', nextval('{table}_id_seq'), 'journal_seq', {seq})) AS made "
        f"WHERE t.journal_seq = {like.seq} RETURNING id"
    )
    return [("tables-apart", table_of(like), made[0][0])]


LOCAL = (
    *(a_value_of_a_row, a_type_of_value, an_added_column, a_deleted_row, an_inserted_row, a_moved_row),
    *(a_doubled_row, a_row_twice, swapped_rows, made_up_rejected_lines, other_rejected_lines),
)
"""Damage that a check with `since` finds if it begins before the damage."""
WHOLE = (a_row_before_the_first,)
"""Damage that only a whole check finds."""
