"""Damage to the journal by an attacker with all rights in the database.

Each function does one kind of damage at a random place and returns exactly the findings that a check must report.
"""

from cybersec_assets.audit.journal.tables import PHASES
from cybersec_assets_tests.support.verify.scene import apart

ENDS = ("SUCCESS", "FAILED", "ABANDONED")
RECHAIN = """
DO $$
DECLARE
    e public.audit_journal;
    b jsonb;
    link text := coalesce((SELECT hash FROM public.audit_journal WHERE seq = {first} - 1), repeat('0', 64));
BEGIN
    FOR e IN SELECT * FROM public.audit_journal WHERE seq BETWEEN {first} AND {last} ORDER BY seq LOOP
        b := e.body::jsonb || jsonb_build_object('seq', e.seq, 'at', e.at, 'kind', e.kind, 'run_id', e.run_id,
            'asset_key', e.asset_key, 'partition_key', e.partition_key, 'attempt', e.attempt, 'prev_hash', link);
        IF b -> 'row' <> 'null' THEN
            b := b || jsonb_build_object('row',
                b -> 'row' || jsonb_build_object('run_id', e.run_id, 'journal_seq', e.seq));
        END IF;
        UPDATE public.audit_journal SET body = b::text, prev_hash = link,
            hash = encode(sha256(convert_to(b::text, 'UTF8')), 'hex')
        WHERE seq = e.seq RETURNING hash INTO link;
    END LOOP;
END $$
"""
"""Rewrite bodies, links and hashes after a change, as an attacker who knows the chain does."""
SAME = "kind, run_id, asset_key, partition_key, attempt, body, prev_hash, hash"


def changed(seq):
    """Return the finding for a changed entry."""
    return ("row-changed", "audit_journal", seq)


def replaced(scene, first, last=None):
    """Return a finding for each head from an entry on that was signed for another journal."""
    counts = [count for count in scene.counts().values() if first <= count <= (last or count)]
    return [("journal-replaced", "audit_journal", count) for count in counts]


def forge(scene, where):
    """Change some entries and their rows."""
    scene.sql(f"UPDATE public.audit_journal SET run_id = 'forged' WHERE {where}")
    scene.events("UPDATE {} SET run_id = 'forged' WHERE " + where.replace("seq", "journal_seq"))


def a_value(scene, rng):
    """Change one of an entry's columns."""
    entry = rng.choice(scene.entries())
    number = rng.randrange(5)
    column = ("run_id", "partition_key", "attempt", "at", "kind")[number]
    other = "FAILED" if entry.kind == "SUCCESS" else "SUCCESS"
    value = ("'x'", "'2025-01-01'", "attempt + 1", "at + interval '1 microsecond'", f"'{other}'")[number]
    scene.sql(f"UPDATE public.audit_journal SET {column} = {value} WHERE seq = {entry.seq}")
    return [changed(entry.seq)]


def an_asset(scene, rng):
    """Change the asset of an entry, so that its row belongs to no entry."""
    entry = rng.choice(scene.entries(*ENDS))
    other = rng.choice([asset for asset in PHASES if asset != entry.asset_key])
    scene.sql(f"UPDATE public.audit_journal SET asset_key = '{other}' WHERE seq = {entry.seq}")
    return [changed(entry.seq), apart(entry)]


def an_end_undone(scene, rng):
    """Change a terminal entry into a STARTED entry."""
    entry = rng.choice(scene.entries(*ENDS))
    scene.sql(f"UPDATE public.audit_journal SET kind = 'STARTED' WHERE seq = {entry.seq}")
    return [changed(entry.seq), apart(entry)]


def a_text(scene, rng):
    """Change an entry's body, but not its hash."""
    entry = rng.choice(scene.entries())
    text = entry.body.replace(entry.run_id, "forged", 1) if rng.random() < 0.5 else entry.body + " "
    scene.sql("UPDATE public.audit_journal SET body = :text WHERE seq = :seq", text=text, seq=entry.seq)
    return [changed(entry.seq)]


def a_hash(scene, rng):
    """Change an entry's hash or previous hash."""
    seq = rng.choice(scene.entries()).seq
    column = rng.choice(["hash", "prev_hash"])
    scene.sql(f"UPDATE public.audit_journal SET {column} = reverse({column}) WHERE seq = {seq}")
    return [changed(seq)]


def a_rewritten_entry(scene, rng):
    """Change an entry, its row and its hash, so that only the next entry and a head show it."""
    seq = rng.choice(scene.entries()[:-1]).seq
    forge(scene, f"seq = {seq}")
    scene.sql(RECHAIN.format(first=seq, last=seq))
    return [changed(seq), *replaced(scene, seq, seq)]


def a_rewritten_last_entry(scene, rng):
    """Change the last entry that a head covers, and delete the entries after it."""
    seq = scene.covered()
    rng.random()
    scene.sql(f"DELETE FROM public.audit_journal WHERE seq > {seq}")
    forge(scene, f"seq = {seq}")
    scene.sql(RECHAIN.format(first=seq, last=seq))
    return replaced(scene, seq, seq)


def a_rewritten_tail(scene, rng):
    """Change an entry, and all hashes from there on."""
    seq = rng.choice([entry for entry in scene.entries() if entry.seq <= scene.covered()]).seq
    forge(scene, f"seq = {seq}")
    scene.sql(RECHAIN.format(first=seq, last=scene.last()))
    return replaced(scene, seq)


def another_journal(scene, rng):
    """Replace the whole journal by a consistent one."""
    forge(scene, f"seq % {rng.randrange(1, 5)} = 0 OR seq = 1")
    scene.sql(RECHAIN.format(first=1, last=scene.last()))
    return replaced(scene, 1)


def a_shorter_journal(scene, rng):
    """Replace the whole journal by a shorter, consistent one."""
    last = rng.randrange(2, scene.covered())
    _delete(scene, f"seq > {last}")
    forge(scene, "seq = 1")
    scene.sql(RECHAIN.format(first=1, last=last))
    return [*replaced(scene, 1, last), ("tail-cut", "audit_journal", last)]


def a_deleted_entry(scene, rng):
    """Delete an entry, but not its row."""
    entry = rng.choice(scene.entries()[1:-1])
    scene.sql(f"DELETE FROM public.audit_journal WHERE seq = {entry.seq}")
    gone = ("row-deleted", "audit_journal", entry.seq)
    return [gone] if entry.kind == "STARTED" else [gone, apart(entry)]


def deleted_entries(scene, rng):
    """Delete some entries with their rows."""
    entries = scene.entries()[1:-1]
    begin = rng.randrange(len(entries) - 5)
    gone = [entry.seq for entry in entries[begin : begin + rng.randrange(2, 6)]]
    _delete(scene, f"seq BETWEEN {gone[0]} AND {gone[-1]}")
    return [("row-deleted", "audit_journal", seq) for seq in gone]


def a_closed_gap(scene, rng):
    """Delete an entry with its row, and renumber the later entries."""
    seq = rng.choice(scene.entries()[1:-1]).seq
    last = scene.last()
    _delete(scene, f"seq = {seq}")
    scene.sql(f"UPDATE public.audit_journal SET seq = seq - 1 WHERE seq > {seq}")
    scene.events(f"UPDATE {{}} SET journal_seq = journal_seq - 1 WHERE journal_seq > {seq}")
    return [("rows-reordered", "audit_journal", moved) for moved in range(seq, last)]


def a_cut_tail(scene, rng):
    """Delete all entries after an entry, with their rows."""
    last = rng.choice([entry for entry in scene.entries() if entry.seq < scene.covered()]).seq
    _delete(scene, f"seq > {last}")
    return [("tail-cut", "audit_journal", last)]


def a_cut_head(scene, rng):
    """Delete all entries before an entry, with their rows."""
    _delete(scene, f"seq < {rng.choice(scene.entries()[1:]).seq}")
    return [("head-cut", "audit_journal", 1)]


def swapped_entries(scene, rng):
    """Swap two entries and their rows."""
    a, b = (entry.seq for entry in rng.sample(scene.entries(), 2))
    swap = f"CASE {{0}} WHEN {a} THEN {b} ELSE {a} END WHERE {{0}} IN ({a}, {b})"
    scene.sql("UPDATE public.audit_journal SET seq = " + swap.format("seq"))
    scene.events("UPDATE {} SET journal_seq = " + swap.format("journal_seq"))
    return [("rows-reordered", "audit_journal", seq) for seq in (a, b)]


def a_fork(scene, rng):
    """Add a second, consistent entry with the same number and previous hash."""
    seq = rng.choice(scene.entries("STARTED")).seq
    kept = scene.sql(f"SELECT * FROM public.audit_journal WHERE seq = {seq}")[0]
    scene.sql(f"UPDATE public.audit_journal SET run_id = 'forged' WHERE seq = {seq}")
    scene.sql(RECHAIN.format(first=seq, last=seq))
    names = ", ".join(f":{name}" for name in kept._fields)
    scene.sql(f"INSERT INTO public.audit_journal VALUES ({names})", **kept._asdict())
    return [("fork", "audit_journal", seq)]


def a_late_fork(scene, rng):
    """Add an entry at the end that follows one in the middle."""
    middle = rng.choice(scene.entries()[:-1])
    last = scene.last()
    scene.sql(
        f"INSERT INTO public.audit_journal (seq, at, {SAME}) "
        f"SELECT {last + 1}, at, {SAME} FROM public.audit_journal WHERE seq = {last}"
    )
    scene.sql(f"UPDATE public.audit_journal SET run_id = 'forged' WHERE seq = {last + 1}")
    scene.sql(RECHAIN.format(first=last + 1, last=last + 1))
    # Now link it to the entry in the middle.
    scene.sql(
        "UPDATE public.audit_journal SET prev_hash = :link, body = replace(body, prev_hash, :link) WHERE seq = :seq",
        link=middle.hash,
        seq=last + 1,
    )
    scene.sql(
        "UPDATE public.audit_journal SET hash = encode(sha256(convert_to(body, 'UTF8')), 'hex') WHERE seq = :seq",
        seq=last + 1,
    )
    return [("fork", "audit_journal", last + 1)]


def _delete(scene, where):
    scene.sql(f"DELETE FROM public.audit_journal WHERE {where}")
    scene.events("DELETE FROM {} WHERE " + where.replace("seq", "journal_seq"))


LOCAL = (
    *(a_value, an_asset, an_end_undone, a_text, a_hash, a_rewritten_entry, a_rewritten_tail, a_deleted_entry),
    *(deleted_entries, a_closed_gap, a_cut_tail, swapped_entries, a_fork, a_late_fork),
)
"""Damage that a check with `since` finds if it begins before the damage."""
WHOLE = (a_rewritten_last_entry, another_journal, a_shorter_journal, a_cut_head)
"""Damage that only a whole check finds."""
