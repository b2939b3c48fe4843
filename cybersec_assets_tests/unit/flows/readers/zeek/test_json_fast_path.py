"""The fast path for JSON returns the same rows as the complete one, or reports that it cannot."""

import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given

from cybersec_assets.flows.readers import readers
from cybersec_assets.flows.schema import RAW_SCHEMA
from cybersec_assets.flows.staging import stage
from cybersec_assets.sources.local import local_files
from cybersec_assets_tests.support.flows.json_damage import logs
from cybersec_assets_tests.support.flows.json_logs import ALERT, BACK, CONN, DNS, EVENT, THERE, conn, event, lines
from cybersec_assets_tests.support.flows.logs import examples, write

UNDERSCORED = {name.replace(".", "_"): value for name, value in CONN.items()}
ISO = CONN | {"ts": "2024-04-19T00:01:00.943239Z"}


def both(fmt, *contents):
    """Return the rows of the fast path, None if it cannot read the files, and those of the complete path."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, content in enumerate(contents):
            write(folder / f"{number}.json", content)
        staged = [stage(source, folder / str(n)) for n, source in enumerate(local_files(f"{folder}/*.json"))]
        reader = readers()[fmt]
        complete = reader.scan(staged).collect(engine="streaming")
        try:
            fast = reader.fast_scan(staged).collect(engine="streaming")
        except pl.exceptions.PolarsError:
            return None, complete
    return None if fast["suspect"].any() else fast.drop("suspect"), complete


def agree(fast, complete):
    """Return whether the two paths agree, or the fast path could not read the files."""
    if fast is None:
        return True
    clean = complete["fault"].null_count() == complete.height
    return clean and fast.equals(complete.select(list(RAW_SCHEMA)))


OTHERS = (DNS, CONN | {"_path": "conn"}, DNS | {"@stream": "dns"}, CONN | {"@stream": "conn"})


@examples
@given(content=logs(CONN, CONN, UNDERSCORED, *OTHERS) | logs(ISO, ISO, DNS))
def test_zeek(content):
    assert agree(*both("zeek_json", content or b"\n"))


@examples
@given(first=logs(EVENT, EVENT, ALERT, event(flow_id=7)) | logs(EVENT, THERE, BACK), second=logs(EVENT, ALERT))
def test_suricata(first, second):
    assert agree(*both("suricata", first or b"\n", second or b"\n"))


@pytest.mark.parametrize(
    ("fmt", "records"),
    [
        ("zeek_json", [CONN, UNDERSCORED, DNS, conn(duration=None, orig_bytes=None), CONN | {"_path": "conn"}]),
        ("zeek_json", [ISO, conn(ts="2024-04-19 02:01:00+02:00"), DNS]),
        ("suricata", [EVENT, ALERT, event(app_proto=None), {"event_type": "stats", "stats": {"flow": {}}}]),
    ],
)
def test_a_good_log_takes_the_fast_path(fmt, records):
    fast, complete = both(fmt, lines(*records, "", *records))
    assert fast is not None
    assert complete.height > 0
    assert agree(fast, complete)


@pytest.mark.parametrize(
    ("fmt", "record"),
    [
        ("zeek_json", CONN | {"service": ["a"]}),
        ("zeek_json", conn(ts="soon")),
        ("zeek_json", conn(orig_bytes=2**63)),
        ("zeek_json", conn(orig_bytes=2**62, resp_bytes=2**62)),
        ("zeek_json", conn(orig_bytes=-1)),
        ("zeek_json", conn(id__orig_h="x")),
        ("zeek_json", conn(proto=None)),
        ("suricata", event(state={"a": 1})),
        ("suricata", event(end="later")),
        ("suricata", event(alerted=3)),
        ("suricata", THERE),
    ],
)
def test_a_doubtful_log_is_suspect(fmt, record):
    good = CONN if fmt == "zeek_json" else EVENT
    assert both(fmt, lines(good, record))[0] is None
