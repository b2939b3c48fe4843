"""The quick way to read JSON gives what the thorough one does, or says that it cannot."""

import tempfile
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given

from cybersec_assets.flows.readers import readers
from cybersec_assets.flows.schema import RAW
from cybersec_assets.flows.staging import stage
from cybersec_assets.sources.local import local_files
from cybersec_assets_tests.support.flows.json_damage import logs
from cybersec_assets_tests.support.flows.json_logs import ALERT, BACK, CONN, DNS, EVENT, THERE, conn, event, lines
from cybersec_assets_tests.support.flows.logs import examples, write

UNDERSCORED = {name.replace(".", "_"): value for name, value in CONN.items()}
ISO = CONN | {"ts": "2024-04-19T00:01:00.943239Z"}


def both(fmt, *contents):
    """Read files both ways: what the quick one gives, None if it cannot, and what the thorough one gives."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, content in enumerate(contents):
            write(folder / f"{number}.json", content)
        spooled = [stage(source, folder / str(n)) for n, source in enumerate(local_files(f"{folder}/*.json"))]
        reader = readers()[fmt]
        thorough = reader.scan(spooled).collect(engine="streaming")
        try:
            quick = reader.fast_scan(spooled).collect(engine="streaming")
        except pl.exceptions.PolarsError:
            return None, thorough
    return None if quick["suspect"].any() else quick.drop("suspect"), thorough


def holds(quick, thorough):
    """Tell whether the two agree, or the quick way has passed."""
    if quick is None:
        return True
    clean = thorough["fault"].null_count() == thorough.height
    return clean and quick.equals(thorough.select(list(RAW)))


OTHERS = (DNS, CONN | {"_path": "conn"}, DNS | {"@stream": "dns"}, CONN | {"@stream": "conn"})


@examples
@given(content=logs(CONN, CONN, UNDERSCORED, *OTHERS) | logs(ISO, ISO, DNS))
def test_zeek(content):
    """Whatever is in a file of connections, nothing is other than the thorough way has it."""
    assert holds(*both("zeek_json", content or b"\n"))


@examples
@given(first=logs(EVENT, EVENT, ALERT, event(flow_id=7)) | logs(EVENT, THERE, BACK), second=logs(EVENT, ALERT))
def test_suricata(first, second):
    """Whatever is in two files of events, nothing is other than the thorough way has it."""
    assert holds(*both("suricata", first or b"\n", second or b"\n"))


@pytest.mark.parametrize(
    ("fmt", "records"),
    [
        ("zeek_json", [CONN, UNDERSCORED, DNS, conn(duration=None, orig_bytes=None), CONN | {"_path": "conn"}]),
        ("zeek_json", [ISO, conn(ts="2024-04-19 02:01:00+02:00"), DNS]),
        ("suricata", [EVENT, ALERT, event(app_proto=None), {"event_type": "stats", "stats": {"flow": {}}}]),
    ],
)
def test_a_good_log_is_read_quickly(fmt, records):
    """What sensors write takes the quick way, blank lines or none."""
    quick, thorough = both(fmt, lines(*records, "", *records))
    assert quick is not None
    assert thorough.height > 0
    assert holds(quick, thorough)


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
def test_a_doubtful_log_is_not_read_quickly(fmt, record):
    """What is at fault, or may be written otherwise, is left to the thorough way."""
    good = CONN if fmt == "zeek_json" else EVENT
    assert both(fmt, lines(good, record))[0] is None
