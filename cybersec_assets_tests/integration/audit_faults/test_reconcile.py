"""`cybersec audit reconcile` closes dead phases and compares store and audit."""

import json
import os

import pytest

from cybersec_assets.audit.journal.journal import FAILED, SUCCESS
from cybersec_assets.audit.verify.verifier import Verifier
from cybersec_assets.definitions import audit_from
from cybersec_assets.settings import load_settings
from cybersec_assets_tests.support.verify.history import PREFIX

DAYS_AGO = 3 * 24 * 60 * 60
OLD = "network_events_20200101_000001.parquet"
NEW = "network_events_20200101_000002.parquet"


@pytest.fixture
def command(settings, author, cybersec, monkeypatch):
    """Return a function that runs the command after some phases and returns its exit status and document."""
    author.write(8)
    url = author.journal.database.url
    own = {"CYBERSEC_HOME": str(settings.home), "CYBERSEC_BUCKET_PREFIX": PREFIX}
    for name, value in (own | {"PG_HOST": settings.postgres.host, "PG_DATABASE": url.database}).items():
        monkeypatch.setenv(name, value)

    def run(*arguments):
        status, out, err = cybersec("audit", "reconcile", "--grace", "0", "--json", *arguments)
        assert err == ""
        return status, json.loads(out)

    return run


@pytest.fixture
def bucket(settings):
    """Return the folder of the raw layer's objects."""
    return settings.home / "store" / f"{PREFIX}-raw"


@pytest.fixture
def orphans(bucket):
    """Store two objects without a row, one of them some days old."""
    made = [bucket / OLD, bucket / NEW]
    bucket.mkdir(parents=True, exist_ok=True)
    for file in made:
        file.write_bytes(b"left behind")
    age(made[0])
    return made


def age(file):
    """Make a file some days old."""
    then = file.stat().st_mtime - DAYS_AGO
    os.utime(file, (then, then))


def names(document):
    """Return the names of listed objects."""
    return sorted((each if isinstance(each, str) else each["uri"]).rpartition("/")[2] for each in document)


def damaged(result):
    """Return the exit status and the rows whose object is damaged."""
    status, document = result
    return status, [(each["table"], each["uri"].rpartition("/")[2], each["what"]) for each in document["damaged"]]


def test_an_audit_without_damage_has_status_0(command):
    assert command() == (0, {"abandoned": [], "alive": 0, "orphans": [], "deleted": [], "damaged": []})


def test_a_dead_phase_is_closed_and_signed(command, author):
    phase = author.start(100)
    status, document = command()
    assert (status, [each["run_id"] for each in document["abandoned"]]) == (0, [phase.run_id])
    trusted = [(author.store.root.parent / "audit" / "trusted-keys").read_text().split()[0]]
    verifier = Verifier(author.journal.database.engine, author.store, PREFIX, trusted)
    assert list(verifier.findings()) == []
    heads = list((author.store.root / f"{PREFIX}-eval" / "audit-heads").iterdir())
    last = json.loads(json.loads(max(heads).read_bytes())["head"])
    assert last["count"] == author.journal.tail().seq


def test_orphans_are_listed(command, orphans):
    """Heads and objects with a row are not listed."""
    status, document = command()
    assert (status, names(document["orphans"]), document["deleted"]) == (0, [OLD, NEW], [])
    assert all(file.exists() for file in orphans)


def test_a_dry_run_deletes_nothing(command, orphans):
    status, document = command("--delete-orphans")
    assert (status, names(document["deleted"])) == (0, [OLD])
    assert all(file.exists() for file in orphans)


def test_only_old_orphans_are_deleted(command, orphans, bucket):
    """Old objects with a row stay."""
    kept = sorted(set(bucket.iterdir()) - set(orphans))
    assert kept
    for file in kept:
        age(file)
    status, document = command("--delete-orphans", "--no-dry-run")
    assert (status, names(document["deleted"])) == (0, [OLD])
    assert [file.exists() for file in orphans] == [False, True]
    assert sorted(bucket.iterdir()) == sorted([*kept, orphans[1]])


@pytest.mark.parametrize(
    "name", ["left_behind.parquet", "network_events_2020.parquet", "network_events_20200101_000001.parquet.bak", "x/y"]
)
def test_files_with_other_names_are_not_deleted(command, bucket, name):
    file = bucket / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"not ours")
    age(file)
    status, document = command("--delete-orphans", "--no-dry-run")
    assert (status, names(document["orphans"]), document["deleted"]) == (0, [file.name], [])
    assert file.read_bytes() == b"not ours"


def test_temporary_files_of_a_killed_writer_are_deleted(command, bucket):
    file = bucket / f".{OLD}.{'0a' * 16}"
    bucket.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"half")
    age(file)
    assert names(command("--delete-orphans", "--no-dry-run")[1]["deleted"]) == [file.name]
    assert not file.exists()


def test_nothing_is_deleted_from_the_store_of_another_audit(cybersec, command, orphans, monkeypatch, author):
    """The signed heads show which audit the store belongs to."""
    command()
    monkeypatch.setenv("PG_DATABASE", f"{author.journal.database.url.database}_other")
    status, out, err = cybersec("audit", "reconcile", "--delete-orphans", "--no-dry-run")
    assert (status, out, "no runs here yet" in err) == (2, "", True)
    with audit_from(load_settings()).session() as audit:
        audit.connect()
    status, out, err = cybersec("audit", "reconcile", "--delete-orphans", "--no-dry-run")
    assert (status, out, "was signed for another audit" in err) == (2, "", True)
    assert all(file.exists() for file in orphans)


def test_without_an_age_nothing_is_deleted(command, orphans):
    assert command("--no-dry-run")[1]["deleted"] == []
    assert all(file.exists() for file in orphans)


def test_rows_with_missing_or_changed_objects_are_listed(command, author):
    gone, changed = (author.start(4 * number) for number in (10, 11))
    files = []
    for phase in (gone, changed):
        author.end(phase, SUCCESS)
        files.append(max((author.store.root / f"{PREFIX}-raw").glob("network_events_2*")))
    files[0].unlink()
    files[1].chmod(0o644)
    files[1].write_bytes(b"other bytes")
    status, document = command()
    damaged = {each["uri"].rpartition("/")[2]: (each["table"], each["what"]) for each in document["damaged"]}
    table = "ingestion_events"
    assert (status, damaged) == (1, {files[0].name: (table, "gone"), files[1].name: (table, "changed")})


@pytest.fixture
def quarantines(author, bucket):
    """Return the quarantines of a day that succeeded and of one that failed."""
    made = []
    for how in (SUCCESS, FAILED):
        author.end(author.start(44), how)
        made.append(max(bucket.glob("network_events_rejected_*")))
    return made


def test_quarantined_lines_of_a_failed_phase_are_not_deleted(command, quarantines):
    for file in quarantines:
        age(file)
    assert command("--delete-orphans", "--no-dry-run")[1]["orphans"] == []
    assert all(file.exists() for file in quarantines)


def test_quarantined_lines_without_a_row_are_orphans(command, quarantines, bucket):
    """Their phase was killed."""
    left = bucket / "network_events_rejected_20260203_040506.parquet"
    left.write_bytes(quarantines[1].read_bytes())
    assert names(command()[1]["orphans"]) == [left.name]


@pytest.mark.parametrize("which", [0, 1])
def test_missing_or_changed_quarantined_lines_are_listed(command, quarantines, which):
    file = quarantines[which]
    file.unlink()
    assert damaged(command()) == (1, [("ingestion_events", file.name, "gone")])
    file.write_bytes(b"other lines")
    assert damaged(command()) == (1, [("ingestion_events", file.name, "changed")])
