"""A marker claims a folder of the home, and files of other programs are never changed."""

import os
import stat
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cybersec_assets.audit.heads.keys import signing_key
from cybersec_assets.errors import SettingsError
from cybersec_assets.home.audit_folder import claim_audit_folder, public_half
from cybersec_assets.home.folders import MARKER, MARKER_TEXT, claim, is_free, is_marked, make_marked, mark
from cybersec_assets.operations.run_day import EARLIER_YAML, use_instance
from cybersec_assets_tests.support.foreign import plant, snapshot

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system")
NAMES = st.sampled_from([MARKER, f"{MARKER}.0a", "data", "PG_VERSION", "postgres", "signing-key", ".hidden", "a b"])
CONTENT = st.sampled_from(["", "x", "18\n", MARKER_TEXT[:-1], MARKER_TEXT + " ", MARKER_TEXT.upper()])
TREES = st.recursive(
    st.one_of(CONTENT, st.just(("link", "elsewhere")), st.just(("link", "/etc/hostname"))),
    lambda children: st.dictionaries(NAMES, children, max_size=3),
    max_leaves=6,
)


def never(_folder):
    """Return that no folder is of an earlier release."""
    return False


@given(tree=st.dictionaries(NAMES, TREES, min_size=1, max_size=4))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_foreign_content_is_rejected_and_kept(tmp_path_factory, tree):
    folder = tmp_path_factory.mktemp("home") / "audit"
    plant(folder, tree)
    before = snapshot(folder.parent)
    with pytest.raises(SettingsError, match="nothing was changed"):
        claim(folder, never)
    assert snapshot(folder.parent) == before


@pytest.mark.parametrize("content", ["a file", ("link", "elsewhere"), ("link", "/etc")])
def test_a_file_or_link_is_rejected(tmp_path, content):
    """A link to a folder is rejected, too."""
    plant(tmp_path, {"audit": content})
    before = snapshot(tmp_path)
    with pytest.raises(SettingsError, match="nothing was changed"):
        claim(tmp_path / "audit", never)
    assert snapshot(tmp_path) == before


def test_a_missing_folder_is_created_with_its_marker(tmp_path):
    folder = claim(tmp_path / "a" / "home" / "audit", never)
    assert is_marked(folder)
    assert [path.name for path in folder.iterdir()] == [MARKER]
    assert [path.name for path in folder.parent.iterdir()] == ["audit"]
    assert claim(folder, never) == folder


def test_an_empty_folder_is_marked_in_place(tmp_path):
    """It may be a mount point, which cannot be replaced."""
    folder = tmp_path / "audit"
    folder.mkdir(mode=0o700)
    before = folder.stat()
    assert is_free(folder)
    assert is_marked(claim(folder, never))
    assert (folder.stat().st_ino, folder.stat().st_mode) == (before.st_ino, before.st_mode)
    assert [path.name for path in folder.iterdir()] == [MARKER]


def test_an_incomplete_marker_is_accepted(tmp_path):
    """Another process may be writing it, or was killed while it did."""
    plant(tmp_path / "audit", {f"{MARKER}.0123456789abcdef": MARKER_TEXT[:5]})
    assert is_marked(claim(tmp_path / "audit", never))


@pytest.fixture
def mounted():
    """Return a function that mounts a small, empty file system on a new folder until the test ends."""
    folders = []

    def mount(folder):
        folder.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(folder)], check=True)
        folders.append(folder)
        return folder

    yield mount
    for folder in folders:
        subprocess.run(["umount", str(folder)], check=True)


@as_root
def test_an_empty_mount_point_is_claimed(tmp_path, mounted, monkeypatch):
    monkeypatch.setenv("DAGSTER_HOME", "")
    mounted(tmp_path / "audit")
    mounted(tmp_path / "dagster")
    key = signing_key(tmp_path, None)
    use_instance(tmp_path)
    assert public_half(key) in (tmp_path / "audit" / "trusted-keys").read_text()
    assert is_marked(tmp_path / "audit")
    assert is_marked(tmp_path / "dagster")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit", "dagster"]


def test_a_folder_of_an_earlier_release_is_marked(tmp_path):
    """Its content stays."""
    plant(tmp_path / "audit", {"signing-key": "x"})
    assert is_marked(claim(tmp_path / "audit", lambda folder: (folder / "signing-key").exists()))
    assert (tmp_path / "audit" / "signing-key").read_text() == "x"


def test_concurrent_claims_create_one_folder(tmp_path):
    make_marked(tmp_path / "audit")
    (tmp_path / "audit" / "note").touch()
    make_marked(tmp_path / "audit")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit"]
    mark(tmp_path / "audit")
    assert sorted(path.name for path in (tmp_path / "audit").iterdir()) == [MARKER, "note"]


def test_links_claim_nothing(tmp_path):
    """Neither a link to a marker, nor a link to a marked folder."""
    make_marked(tmp_path / "ours")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / MARKER).symlink_to(tmp_path / "ours" / MARKER)
    (tmp_path / "link").symlink_to(tmp_path / "ours")
    assert not is_marked(theirs)
    assert not is_marked(tmp_path / "link")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_marker_has_the_given_owner(tmp_path):
    """PostgreSQL must be able to read all files in its folder."""
    mark(tmp_path, 65_534)
    found = (tmp_path / MARKER).stat()
    assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (65_534, 0o644)


@pytest.mark.parametrize(
    "tree",
    [
        {"signing-key": "hush", "trusted-keys": f"{'A' * 42}8=\n", "looks.json": "{}", ".looks.json.12": ""},
        {"tried-servers.json": '{"x": 1}'},
        {"looks.json": "{}", ".cybersec-assets.0123456789abcdef": "half"},
    ],
)
def test_an_audit_folder_of_an_earlier_release_is_claimed(tmp_path, tree):
    plant(tmp_path / "audit", tree)
    before = snapshot(tmp_path / "audit")
    assert is_marked(claim_audit_folder(tmp_path))
    found = snapshot(tmp_path / "audit")
    assert {name: found[name] for name in before} == before


@pytest.fixture
def earlier_audit(tmp_path):
    """Return the audit folder of a release without markers, with a signing key."""
    signing_key(tmp_path, None)
    (tmp_path / "audit" / MARKER).unlink()
    return tmp_path / "audit"


@pytest.mark.parametrize(
    "extra",
    [
        {"signing-key.bak": "a copy"},
        {"old": {"signing-key": "a copy"}, "looks.json": '{"1": 2.0}'},
        {"README": ("link", "/etc/hostname")},
    ],
)
def test_extra_files_beside_a_trusted_key_are_kept(earlier_audit, extra):
    plant(earlier_audit, extra)
    before = snapshot(earlier_audit)
    signing_key(earlier_audit.parent, None)
    assert is_marked(earlier_audit)
    assert {name: found for name, found in snapshot(earlier_audit).items() if name != MARKER} == before


@pytest.mark.parametrize(
    "changed",
    [
        {"looks.json": "[]"},
        {"tried-servers.json": "mine"},
        {"tried-servers.json": ("link", "/etc/hostname")},
        {"looks.json": {}},
        {"trusted-keys": "mine"},
        {"trusted-keys": f"{'A' * 43}=\n"},
        {"signing-key": "mine"},
        {"signing-key": f"{'A' * 43}=\n"},
    ],
)
def test_an_invalid_file_beside_extra_files_is_rejected(earlier_audit, changed):
    """A file with one of the project's names and other content would be overwritten otherwise."""
    (name,) = changed
    (earlier_audit / name).unlink(missing_ok=True)
    plant(earlier_audit, {"signing-key.bak": "a copy"} | changed)
    before = snapshot(earlier_audit)
    with pytest.raises(SettingsError, match=r"nothing was changed.*Move files other than signing-key, trusted-keys"):
        signing_key(earlier_audit.parent, None)
    assert snapshot(earlier_audit) == before


@pytest.mark.parametrize(
    "tree", [{"trusted-keys": "mine"}, {"looks.json": "[]"}, {"looks.json": "{"}, {"lock-probes.json": "[]"}, {"a": {}}]
)
def test_invalid_files_are_rejected(tmp_path, tree):
    plant(tmp_path / "audit", tree)
    with pytest.raises(SettingsError, match="nothing was changed"):
        claim_audit_folder(tmp_path)


@pytest.mark.parametrize(
    "tree",
    [
        {"dagster.yaml": EARLIER_YAML},
        {"dagster.yaml": f"{EARLIER_YAML}python_logs: {{}}\n", "history": {"runs.db": "rows"}},
        {"dagster.yaml": "telemetry:\n  enabled: true\n", "history": {"runs.db": "rows"}},
        {"dagster.yaml": "", "schedules": {}, "notes": "mine"},
        {"dagster.yaml": "# mine\n", "storage": {}, ".telemetry": {}},
    ],
)
def test_a_dagster_folder_of_an_earlier_release_is_claimed(tmp_path, monkeypatch, tree):
    """Whatever its owner wrote into the settings."""
    monkeypatch.setenv("DAGSTER_HOME", "")
    plant(tmp_path / "dagster", tree)
    before = snapshot(tmp_path / "dagster")
    use_instance(tmp_path)
    assert is_marked(tmp_path / "dagster")
    after = {name: found for name, found in snapshot(tmp_path / "dagster").items() if name != MARKER}
    if tree["dagster.yaml"] == EARLIER_YAML:
        assert "tag_concurrency_limits" in (tmp_path / "dagster" / "dagster.yaml").read_text()
    else:
        assert after == before


@pytest.mark.parametrize(
    "tree",
    [
        {"dagster.yaml": "storage: {}\n"},
        {"history": {"runs.db": "rows"}},
        {"dagster.yaml": "storage: {}\n", "history": "a file"},
        {"dagster.yaml": "storage: {}\n", "history": ("link", "/etc")},
        {"dagster.yaml": ("link", "/etc/hostname"), "history": {}},
        {"dagster.yaml": {}, "history": {}},
    ],
)
def test_another_folder_in_place_of_dagsters_is_rejected_with_a_remedy(tmp_path, monkeypatch, tree):
    monkeypatch.setenv("DAGSTER_HOME", "")
    plant(tmp_path / "dagster", tree)
    before = snapshot(tmp_path)
    with pytest.raises(SettingsError, match=r"nothing was changed\. Set DAGSTER_HOME to it if it is yours"):
        use_instance(tmp_path)
    assert snapshot(tmp_path) == before
