"""`cybersec audit verify`: exit status 0, 1 and 2, text and JSON."""

import json
import sys

import pytest

from cybersec_assets.audit.heads.keys import TRUSTED_KEYS
from cybersec_assets.cli import app as cli
from cybersec_assets_tests.support.verify.history import PREFIX

NO_KEY = "A" * 42 + "8="
"""32 bytes in base64, which are not the public key of any writer."""


@pytest.fixture
def verify(monkeypatch, capsys):
    """Return a function that runs the command on a history and returns its exit status and output."""

    def run(scene, *arguments, **others):
        url = scene.engine.url
        environment = {"CYBERSEC_HOME": str(scene.home), "CYBERSEC_BUCKET_PREFIX": PREFIX}
        environment |= {"PG_HOST": url.query["host"], "PG_DATABASE": url.database}
        for name, value in (environment | others).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "argv", ["cybersec", "audit", "verify", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return ended.value.code, printed.out, printed.err

    return run


def assert_not_checked(result, *parts):
    """Assert that the check failed with status 2 and one line on standard error."""
    status, out, err = result
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert err.startswith("error: ")
    for part in parts:
        assert part in err


def test_clean(verify, scene):
    """The 37 objects are those of 32 successes and 5 times rejected lines."""
    assert verify(scene) == (0, "0 findings in 99 entries, 48 signed heads and 37 objects.\n", "")


def test_clean_as_json(verify, scene):
    status, out, err = verify(scene, "--json")
    assert (status, json.loads(out), err) == (0, {"findings": []}, "")


def test_findings_as_json(verify, scene):
    scene.forge("UPDATE public.audit_journal SET run_id = 'forged' WHERE seq = 7")
    scene.put(scene.head(3), None)
    status, out, err = verify(scene, "--json")
    found = sorted(json.loads(out)["findings"], key=lambda finding: finding["id"])
    assert (status, list(json.loads(out)), err) == (1, ["findings"], "")
    assert [list(finding) for finding in found] == [["id", "table", "row", "what"]] * 2
    assert [tuple(finding.values())[:3] for finding in found] == [
        ("head-missing", "audit-heads", 3),
        ("row-changed", "audit_journal", 7),
    ]
    assert "entry 7 was changed" in found[1]["what"]


def test_findings_as_text(verify, scene):
    scene.forge("UPDATE public.audit_journal SET run_id = 'forged' WHERE seq = 7")
    status, out, err = verify(scene)
    line, summary = out.splitlines()
    assert (status, err) == (1, "")
    assert line.startswith("row-changed      audit_journal 7: entry 7 was changed")
    assert summary.startswith("1 findings in 99 entries")


def test_the_command_stops_after_a_thousand_findings(verify, scene):
    scene.forge("UPDATE public.audit_journal SET seq = seq + 5000 WHERE seq > 50")
    status, out, _ = verify(scene)
    assert (status, len(out.splitlines())) == (1, 1_001)
    assert "1000 findings (there may be more)" in out.splitlines()[-1]
    assert len(json.loads(verify(scene, "--json")[1])["findings"]) == 1_000


def test_since(verify, scene):
    """With --since only newer entries are checked. A time without a zone is UTC."""
    scene.forge("UPDATE public.audit_journal SET run_id = 'forged' WHERE seq = 7")
    moment = scene.entries()[50].at
    for text in (f"{moment.isoformat()}", f"{moment.isoformat()}+00:00"):
        assert verify(scene, "--since", text)[0] == 0
    assert verify(scene, "--since", "2020-01-01")[0] == 1


def test_an_invalid_since(verify, scene):
    assert_not_checked(verify(scene, "--since", "yesterday"), "--since 'yesterday'")


def test_no_database(verify, scene):
    assert_not_checked(verify(scene, "--json", PG_HOST="127.0.0.1", PG_PORT="1"), "127.0.0.1:1", "PG_HOST")


def test_no_store(verify, scene):
    away = {"MINIO_ENDPOINT": "127.0.0.1:1", "MINIO_ACCESS_KEY": "made-up", "MINIO_SECRET_KEY": "made-up"}
    assert_not_checked(verify(scene, "--json", **away), "http://127.0.0.1:1", "MINIO_ENDPOINT")


def test_no_trusted_key(verify, scene):
    (scene.home / TRUSTED_KEYS).unlink()
    assert_not_checked(verify(scene), "AUDIT_TRUSTED_KEYS")


@pytest.mark.parametrize("text", ["no key", "AAAA"])
def test_an_invalid_trusted_key(verify, scene, text):
    assert_not_checked(verify(scene, AUDIT_TRUSTED_KEYS=text), "AUDIT_TRUSTED_KEYS", "is not an Ed25519 key")


def test_the_environment_overrides_the_keys_of_the_home(verify, scene):
    status, out, _ = verify(scene, "--json", AUDIT_TRUSTED_KEYS=NO_KEY)
    assert (status, {finding["id"] for finding in json.loads(out)["findings"]}) == (1, {"head-key"})
    assert verify(scene, AUDIT_TRUSTED_KEYS=f"{NO_KEY}, {scene.trusted[0]}")[0] == 0
