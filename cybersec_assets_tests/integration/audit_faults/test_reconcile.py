"""`cybersec audit reconcile`: dead phases are closed, and store and audit are held against each other."""

import json
import os

import pytest

from cybersec_assets.audit.journal.journal import FAILED, SUCCESS
from cybersec_assets.audit.verify.verifier import Verifier
from cybersec_assets.definitions import audit_from
from cybersec_assets.settings import load_settings
from cybersec_assets_tests.support.verify.history import PREFIX

DAYS_AGO = 3 * 24 * 60 * 60
OLD, NEW = "network_events_20200101_000001.parquet", "network_events_20200101_000002.parquet"


@pytest.fixture
def command(settings, author, cybersec, monkeypatch):
    """Run the command on the test's audit, after some phases; give its exit status and its document."""
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
    """The folder of the raw layer's objects."""
    return settings.home / "store" / f"{PREFIX}-raw"


@pytest.fixture
def orphans(bucket):
    """Two objects that no row names, one of them some days old."""
    made = [bucket / OLD, bucket / NEW]
    bucket.mkdir(parents=True, exist_ok=True)
    for file in made:
        file.write_bytes(b"left behind")
    age(made[0])
    return made


def age(file):
    """Have a file be some days old."""
    then = file.stat().st_mtime - DAYS_AGO
    os.utime(file, (then, then))


def names(told):
    """Give the names of what is listed."""
    return sorted((each if isinstance(each, str) else each["uri"]).rpartition("/")[2] for each in told)


def damaged(result):
    """Give the exit status, and what is told of rows whose object is amiss."""
    status, told = result
    return status, [(each["table"], each["uri"].rpartition("/")[2], each["what"]) for each in told["damaged"]]


def test_all_is_well(command):
    """Where nothing is amiss nothing is told, and the status is 0."""
    assert command() == (0, {"abandoned": [], "alive": 0, "orphans": [], "deleted": [], "damaged": []})


def test_a_dead_phase_is_closed_and_signed(command, author):
    """A phase without a worker is abandoned, told, and covered by a head of its own."""
    phase = author.start(100)
    status, told = command()
    assert (status, [each["run_id"] for each in told["abandoned"]]) == (0, [phase.run_id])
    trusted = [(author.store.root.parent / "audit" / "trusted-keys").read_text().split()[0]]
    verifier = Verifier(author.journal.database.engine, author.store, PREFIX, trusted)
    assert list(verifier.findings()) == []
    heads = list((author.store.root / f"{PREFIX}-eval" / "audit-heads").iterdir())
    last = json.loads(json.loads(max(heads).read_bytes())["head"])
    assert last["count"] == author.journal.tail().seq


def test_orphans_are_listed(command, orphans):
    """Objects that no row names are listed, and neither heads nor objects with a row are among them."""
    status, told = command()
    assert (status, names(told["orphans"]), told["deleted"]) == (0, [OLD, NEW], [])
    assert all(file.exists() for file in orphans)


def test_a_dry_run_deletes_nothing(command, orphans):
    """What would be deleted is told, and stays."""
    status, told = command("--delete-orphans")
    assert (status, names(told["deleted"])) == (0, [OLD])
    assert all(file.exists() for file in orphans)


def test_only_old_orphans_are_deleted(command, orphans, bucket):
    """With --no-dry-run those that are old enough are deleted; objects with a row stay, however old they are."""
    kept = sorted(set(bucket.iterdir()) - set(orphans))
    assert kept
    for file in kept:
        age(file)
    status, told = command("--delete-orphans", "--no-dry-run")
    assert (status, names(told["deleted"])) == (0, [OLD])
    assert [file.exists() for file in orphans] == [False, True]
    assert sorted(bucket.iterdir()) == sorted([*kept, orphans[1]])


@pytest.mark.parametrize(
    "name", ["left_behind.parquet", "network_events_2020.parquet", "network_events_20200101_000001.parquet.bak", "x/y"]
)
def test_files_of_somebody_else_are_not_deleted(command, bucket, name):
    """A file in the bucket whose name no run gives is listed, and stays however old it is."""
    file = bucket / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"not ours")
    age(file)
    status, told = command("--delete-orphans", "--no-dry-run")
    assert (status, names(told["orphans"]), told["deleted"]) == (0, [file.name], [])
    assert file.read_bytes() == b"not ours"


def test_what_a_killed_writer_left_aside_is_deleted(command, bucket):
    """A folder store's temporary file of a writer that was killed is an orphan like any other."""
    file = bucket / f".{OLD}.{'0a' * 16}"
    bucket.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"half")
    age(file)
    assert names(command("--delete-orphans", "--no-dry-run")[1]["deleted"]) == [file.name]
    assert not file.exists()


def test_nothing_is_deleted_beside_another_audit(cybersec, command, orphans, monkeypatch, author):
    """With another database every object would be an orphan: the store's signed heads say whose it is."""
    command()
    monkeypatch.setenv("PG_DATABASE", f"{author.journal.database.url.database}_other")
    status, out, err = cybersec("audit", "reconcile", "--delete-orphans", "--no-dry-run")
    assert (status, out, "no runs here yet" in err) == (2, "", True)
    with audit_from(load_settings()).session() as audit:
        audit.connect()
    status, out, err = cybersec("audit", "reconcile", "--delete-orphans", "--no-dry-run")
    assert (status, out, "was signed for another audit" in err) == (2, "", True)
    assert all(file.exists() for file in orphans)


def test_without_the_option_nothing_is_deleted(command, orphans):
    """--no-dry-run alone deletes nothing."""
    assert command("--no-dry-run")[1]["deleted"] == []
    assert all(file.exists() for file in orphans)


def test_rows_whose_object_is_gone_or_changed(command, author):
    """A row whose object is gone, and one whose object was changed, are listed with status 1."""
    gone, changed = (author.start(4 * number) for number in (10, 11))
    files = []
    for phase in (gone, changed):
        author.end(phase, SUCCESS)
        files.append(max((author.store.root / f"{PREFIX}-raw").glob("network_events_2*")))
    files[0].unlink()
    files[1].chmod(0o644)
    files[1].write_bytes(b"other bytes")
    status, told = command()
    damaged = {each["uri"].rpartition("/")[2]: (each["table"], each["what"]) for each in told["damaged"]}
    table = "ingestion_events"
    assert (status, damaged) == (1, {files[0].name: (table, "gone"), files[1].name: (table, "changed")})


@pytest.fixture
def quarantines(author, bucket):
    """What a day set lines aside in that succeeded, and then one that failed."""
    made = []
    for how in (SUCCESS, FAILED):
        author.end(author.start(44), how)
        made.append(max(bucket.glob("network_events_rejected_*")))
    return made


def test_rejected_lines_are_no_orphan(command, quarantines):
    """An object that lines were set aside in has a row, though its phase failed, and is not deleted."""
    for file in quarantines:
        age(file)
    assert command("--delete-orphans", "--no-dry-run")[1]["orphans"] == []
    assert all(file.exists() for file in quarantines)


def test_rejected_lines_that_no_row_tells_of_are_an_orphan(command, quarantines, bucket):
    """What a phase left that was killed after it had set lines aside is listed, though others of its kind are named."""
    left = bucket / "network_events_rejected_20260203_040506.parquet"
    left.write_bytes(quarantines[1].read_bytes())
    assert names(command()[1]["orphans"]) == [left.name]


@pytest.mark.parametrize("which", [0, 1])
def test_rejected_lines_that_are_gone_or_changed(command, quarantines, which):
    """A row whose quarantine is gone or changed is listed with status 1, be it a SUCCESS or a FAILED one."""
    file = quarantines[which]
    file.unlink()
    assert damaged(command()) == (1, [("ingestion_events", file.name, "gone")])
    file.write_bytes(b"other lines")
    assert damaged(command()) == (1, [("ingestion_events", file.name, "changed")])
