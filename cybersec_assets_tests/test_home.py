"""Folders of the home are claimed by a marker; what somebody else put there is never changed."""

import os
import stat

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cybersec_assets.errors import SettingsError
from cybersec_assets.heads.keys import claim_audit_folder
from cybersec_assets.home import MARKER, MARKER_TEXT, claim, is_free, is_marked, make_marked, mark
from cybersec_assets.runner import EARLIER_YAML, use_instance
from cybersec_assets_tests.foreign import plant, snapshot

NAMES = st.sampled_from([MARKER, f"{MARKER}.0a", "data", "PG_VERSION", "postgres", "signing-key", ".hidden", "a b"])
CONTENT = st.sampled_from(["", "x", "18\n", MARKER_TEXT[:-1], MARKER_TEXT + " ", MARKER_TEXT.upper()])
TREES = st.recursive(
    st.one_of(CONTENT, st.just(("link", "elsewhere")), st.just(("link", "/etc/hostname"))),
    lambda children: st.dictionaries(NAMES, children, max_size=3),
    max_leaves=6,
)


def never(_folder):
    """Recognize no earlier release."""
    return False


@given(tree=st.dictionaries(NAMES, TREES, min_size=1, max_size=4))
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_foreign_content_is_refused_and_kept(tmp_path_factory, tree):
    """Whatever lies in a folder without our marker's exact content, it is refused and nothing of it changes."""
    folder = tmp_path_factory.mktemp("home") / "audit"
    plant(folder, tree)
    before = snapshot(folder.parent)
    with pytest.raises(SettingsError, match="nothing was changed"):
        claim(folder, never)
    assert snapshot(folder.parent) == before


@pytest.mark.parametrize("content", ["a file", ("link", "elsewhere"), ("link", "/etc")])
def test_what_is_no_folder_is_refused(tmp_path, content):
    """A file or a symbolic link in place of the folder is refused, also where the link's target is a folder."""
    plant(tmp_path, {"audit": content})
    before = snapshot(tmp_path)
    with pytest.raises(SettingsError, match="nothing was changed"):
        claim(tmp_path / "audit", never)
    assert snapshot(tmp_path) == before


def test_a_missing_folder_is_made_with_its_marker(tmp_path):
    """The folder and its parents are made, the marker alone is in it, and nothing is left aside."""
    folder = claim(tmp_path / "a" / "home" / "audit", never)
    assert is_marked(folder)
    assert [path.name for path in folder.iterdir()] == [MARKER]
    assert [path.name for path in folder.parent.iterdir()] == ["audit"]
    assert claim(folder, never) == folder


def test_an_empty_folder_is_taken(tmp_path):
    """An empty folder has nothing of anybody's."""
    (tmp_path / "audit").mkdir()
    assert is_free(tmp_path / "audit")
    assert is_marked(claim(tmp_path / "audit", never))


def test_a_folder_of_an_earlier_release_is_marked(tmp_path):
    """A folder that is recognized keeps what it has and gets the marker."""
    plant(tmp_path / "audit", {"signing-key": "x"})
    assert is_marked(claim(tmp_path / "audit", lambda folder: (folder / "signing-key").exists()))
    assert (tmp_path / "audit" / "signing-key").read_text() == "x"


def test_two_that_make_a_folder_at_once_get_one(tmp_path):
    """Whoever comes second finds the first one's folder, and leaves nothing aside."""
    make_marked(tmp_path / "audit")
    (tmp_path / "audit" / "note").touch()
    make_marked(tmp_path / "audit")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit"]
    mark(tmp_path / "audit")
    assert sorted(path.name for path in (tmp_path / "audit").iterdir()) == [MARKER, "note"]


def test_a_marker_that_is_a_link_claims_nothing(tmp_path):
    """A link to a marker elsewhere does not claim a folder, nor does a link to a marked folder."""
    make_marked(tmp_path / "ours")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / MARKER).symlink_to(tmp_path / "ours" / MARKER)
    (tmp_path / "link").symlink_to(tmp_path / "ours")
    assert not is_marked(theirs)
    assert not is_marked(tmp_path / "link")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_the_marker_belongs_to_whom_it_is_given(tmp_path):
    """The marker in the server's folder is the server's, so that PostgreSQL can read all that lies there."""
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
def test_keys_and_notes_of_an_earlier_release_are_taken(tmp_path, tree):
    """The audit's folder of a release without markers is known by its files, which stay as they are."""
    plant(tmp_path / "audit", tree)
    before = snapshot(tmp_path / "audit")
    assert is_marked(claim_audit_folder(tmp_path))
    found = snapshot(tmp_path / "audit")
    assert {name: found[name] for name in before} == before


@pytest.mark.parametrize("tree", [{"trusted-keys": "mine"}, {"looks.json": "[]"}, {"looks.json": "{"}, {"a": {}}])
def test_notes_of_somebody_else_are_refused(tmp_path, tree):
    """A file of one of our names with other content is somebody else's."""
    plant(tmp_path / "audit", tree)
    with pytest.raises(SettingsError, match="nothing was changed"):
        claim_audit_folder(tmp_path)


def test_an_instance_of_an_earlier_release_is_taken(tmp_path, monkeypatch):
    """Dagster's folder of a release without markers is known by how its settings begin."""
    monkeypatch.setenv("DAGSTER_HOME", "")
    plant(tmp_path / "dagster", {"dagster.yaml": f"{EARLIER_YAML}python_logs: {{}}\n", "history": {"runs.db": "rows"}})
    use_instance(tmp_path)
    assert is_marked(tmp_path / "dagster")
