"""The cases of the shared folder: small inputs from real reports, each with the right result in `expect.json`.

Cases with a recipe need a server of their own and are in `stack/`.
"""

import json
import os
import runpy
import shutil
from collections import Counter
from pathlib import Path

import polars as pl
import pytest

from cybersec_assets_tests.conftest import CHECKOUT, skip_unless_ci

FOLDER = Path(os.environ.get("CYBERSEC_TEST_DATA") or CHECKOUT.parent / "shared" / "data").parent / "cases"
CASES = sorted(
    file.parent.name for file in FOLDER.glob("*/expect.json") if "recipe" not in json.loads(file.read_text())
)


def test_the_cases_are_there():
    if not CASES:
        skip_unless_ci(f"no cases in {FOLDER}: set CYBERSEC_TEST_DATA to the folder of real flow logs beside them")
    assert len(CASES) >= 13


@pytest.fixture
def case_folder(tmp_path, monkeypatch, request):
    """Copy a case into a working directory, and run its script if it has one."""
    folder = tmp_path / "case"
    shutil.copytree(FOLDER / request.param, folder)
    folder.chmod(0o755)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CYBERSEC_START_DATE", "2010-01-01")
    if (folder / "make.py").exists():
        runpy.run_path("make.py", run_name="__main__")
    return folder


@pytest.mark.parametrize("case_folder", CASES, indirect=True)
@pytest.mark.usefixtures("in_environment")
def test_a_case_holds(case_folder, settings, monkeypatch, cybersec):
    expected = json.loads((case_folder / "expect.json").read_text())
    wrong = []
    for number, alternative in enumerate(expected.get("either", [expected])):
        if number:
            monkeypatch.setenv("PG_DATABASE", f"{settings.postgres.database}_{number}")
            monkeypatch.setenv("CYBERSEC_HOME", f"{settings.home}_{number}")
        with monkeypatch.context() as patch:
            for name, value in alternative.get("env", {}).items():
                patch.setenv(name, value)
            status, out, err = cybersec(*alternative["command"], "--json")
            patch.delenv("DAGSTER_HOME", raising=False)
        wrong = list(_differences(alternative, status, out, err))
        if not wrong:
            return
    assert wrong == []


def _differences(expected, status, out, err):
    """Return how a run differs from what a case expects."""
    words = expected.get("or_message_contains")
    if words and status in {1, 2} and _contains(err, words) and len(err) <= 500:
        return
    if status != expected["exit"]:
        yield f"exit status {status}: {err[:600]}"
        return
    if len(err) > expected.get("stderr_max_chars", len(err)):
        yield f"{len(err)} characters on standard error"
    if not _contains(err, expected.get("stderr_contains", [])):
        yield f"standard error lacks words: {err[:600]}"
    if not out:
        return
    document = json.loads(out)
    raw = next(phase for phase in document["phases"] if phase["asset"] == "raw/network_events")
    if "records" in expected and (raw["estado"], raw["records"]) != ("SUCCESS", expected["records"]):
        yield f"{raw['estado']} with {raw['records']} records"
    if "rejected" in expected and (raw["rejected"] or {"lines": 0})["lines"] != expected["rejected"]:
        yield f"{raw['rejected']} rejected"
    if len(raw["error"] or "") > expected.get("error_max_chars", 500):
        yield f"an error of {len(raw['error'])} characters"
    if missing := set(expected.get("metrics", [])) - set(document["metrics"] or {}):
        yield f"no metrics {missing}"
    yield from _object_differences(expected, raw["uri"])


def _object_differences(expected, uri):
    home = Path(os.environ["CYBERSEC_HOME"])
    if least := expected.get("quarantined_text_min_chars"):
        (file,) = home.glob("store/*-raw/network_events_rejected_*.parquet")
        if (found := pl.read_parquet(file)["text"].str.len_chars().sum()) < least:
            yield f"{found} characters in quarantine"
    if not uri:
        return
    table = pl.read_parquet(home / "store" / uri.removeprefix("s3://"))
    for column, value in expected.get("raw", {}).items():
        found = table[column].to_list()
        if isinstance(value, dict):
            right = all(item in value["in"] for item in found)
        elif isinstance(value, list):
            right = [_plain(item) for item in found[: len(value)]] == [_typed(column, item) for item in value]
        else:
            right = {_plain(item) for item in found} == {_typed(column, value)}
        if not right:
            yield f"{column}: {found[:3]}"
    yield from _sum_differences(expected, table)


def _sum_differences(expected, table):
    for column, counts in expected.get("counts", {}).items():
        if (found := Counter(map(_word, table[column]))) != counts:
            yield f"{column}: {found}"
    for column, total in expected.get("sums", {}).items():
        if table[column].sum() != total:
            yield f"{column}: {table[column].sum()} in all"


def _contains(text, words):
    """Return whether a text has all words. Of a nested list, one is enough."""
    return all(
        any(option.lower() in text.lower() for option in ([word] if isinstance(word, str) else word)) for word in words
    )


def _plain(value):
    return round(value, 9) if isinstance(value, float) else value


def _typed(column, value):
    if column == "timestamp":
        return pl.Series([value]).str.to_datetime(time_unit="us", time_zone="UTC")[0]
    return _plain(value)


def _word(value):
    return json.dumps(value) if value is None or isinstance(value, bool) else str(value)
