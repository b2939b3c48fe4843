"""Every log that Zeek writes is read back, and every damaged line is rejected."""

import datetime as dt
import gzip
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.flows.schema import RAW_SCHEMA
from cybersec_assets_tests.support.flows.logs import ZEEK, examples, faults, read, write, zeek_header, zeek_row

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
SEPARATORS = "\t,|; ~^\x01\x1e\x1f"
OPTIONAL = ["uid", "id.orig_p", "id.resp_p", "service", "conn_state", "orig_pkts", "resp_pkts", "label"]
RAW_NAMES = {"id.orig_p": "src_port", "id.resp_p": "dst_port", "orig_pkts": "orig_packets", "resp_pkts": "resp_packets"}
VERDICTS = {"Malicious": True, "Benign": False, "Background": None}


def maybe(values):
    """Draw some values as unset."""
    return st.none() | values


words = st.text("abcXYZ019_", min_size=1, max_size=8)
counts = st.integers(0, 2**62 - 1)
ports = st.integers(0, 65_535)
addresses = st.ip_addresses().map(str)
micros = st.integers(0, 2**32 * 10**6).map(lambda n: f"{n // 10**6}.{n % 10**6:06d}")
connections = st.fixed_dictionaries(
    {
        "ts": micros,
        "id.orig_h": addresses,
        "id.resp_h": addresses,
        "proto": st.sampled_from(["tcp", "udp", "icmp", "TCP", "unknown_transport"]),
        "duration": maybe(micros),
        "orig_bytes": maybe(counts),
        "resp_bytes": maybe(counts),
        "uid": maybe(words),
        "id.orig_p": maybe(ports),
        "id.resp_p": maybe(ports),
        "service": maybe(words),
        "conn_state": maybe(words),
        "orig_pkts": maybe(counts),
        "resp_pkts": maybe(counts),
        "label": maybe(st.sampled_from(sorted(VERDICTS))),
    }
)


@st.composite
def dialects(draw):
    """Draw the dialect of a log: its columns in order, and its special characters."""
    left_out = draw(st.sets(st.sampled_from(OPTIONAL)))
    extra = draw(st.lists(st.from_regex(r"[a-z]{3}\.x", fullmatch=True), max_size=3, unique=True))
    fields = draw(st.permutations([name for name in (*ZEEK, "label") if name not in left_out] + extra))
    separator = draw(st.sampled_from(SEPARATORS))
    unset, empty = draw(st.sampled_from([("-", "(empty)"), ("?", "-"), ("NULL!", "''")]))
    return fields, separator, unset, empty


@st.composite
def logs(draw):
    """Draw a log's text and its connections."""
    fields, separator, unset, empty = draw(dialects())
    odd = st.characters(exclude_characters=separator, exclude_categories=["Cs", "Cc"])
    text = st.text(odd, min_size=1, max_size=5).map(lambda value: "x" + value if value[0] == "#" else value)
    nothing = st.sampled_from([unset, empty])
    said = {"set_separator": "!", "empty_field": empty, "unset_field": unset, "path": "conn"}
    header = [f"#separator \\x{ord(separator):02x}"]
    header += [separator.join([f"#{key}", value]) for key, value in said.items()] + [
        separator.join(["#fields", *fields])
    ]
    written = draw(st.lists(connections, max_size=8))
    lines = [*header]
    for connection in written:
        values = {name: draw(nothing) if value is None else str(value) for name, value in connection.items()}
        lines.append(separator.join(values[name] if name in values else draw(text) for name in fields))
        lines += draw(st.sampled_from([[], [], header, ["#close" + separator + "now"]]))
    return "\n".join(lines) + draw(st.sampled_from(["", "\n"])), [expected(row, fields) for row in written]


def expected(connection, fields):
    """Return the record that a connection must become."""
    seconds, _, fraction = connection["ts"].partition(".")
    known = [connection[name] for name in ("orig_bytes", "resp_bytes") if connection[name] is not None]
    record = dict.fromkeys(RAW_SCHEMA) | {
        "timestamp": EPOCH + dt.timedelta(seconds=int(seconds), microseconds=int(fraction)),
        "src_ip": connection["id.orig_h"],
        "dst_ip": connection["id.resp_h"],
        "protocol": connection["proto"].lower(),
        "bytes": sum(known) if known else None,
        "duration": connection["duration"] and float(connection["duration"]),
        "orig_bytes": connection["orig_bytes"],
        "resp_bytes": connection["resp_bytes"],
    }
    record |= {RAW_NAMES.get(name, name): connection[name] for name in OPTIONAL if name in fields}
    return record | {"label": VERDICTS.get(record["label"])}


@examples
@given(logs(), st.booleans())
def test_what_zeek_writes_is_read_back(log, packed):
    text, records = log
    with tempfile.TemporaryDirectory() as folder:
        kept, rejected = read(write(Path(folder) / "conn.log", text, packed=packed))
    assert kept.rows(named=True) == records
    assert rejected.is_empty()


DAMAGE = {
    "timestamp": lambda: zeek_row(ts="soon"),
    "src_ip": lambda: zeek_row(id__orig_h="soon"),
    "protocol": lambda: zeek_row(proto="-"),
    "duration": lambda: zeek_row(duration="nan"),
    "orig_bytes": lambda: zeek_row(orig_bytes="soon"),
    "dst_port": lambda: zeek_row(id__resp_p="soon"),
    "number of fields": lambda: zeek_row().replace("\t", "", 1),
}
VALUES = {"protocol": "", "duration": "nan", "number of fields": ""}
kinds = st.sampled_from([None, None, "#", *DAMAGE])
files = st.lists(st.tuples(st.lists(kinds, max_size=12), st.booleans()), min_size=1, max_size=3)


def lines_of(kinds):
    """Return the text of a file, and the line and error of each damaged record."""
    header = zeek_header()
    damaged = []
    text = zeek_header()
    for kind in kinds:
        line = text.count("\n") + 1
        text += {None: zeek_row(), "#": header}.get(kind) or DAMAGE[kind]()
        damaged += [(line, kind, VALUES.get(kind, "soon"))] if kind in DAMAGE else []
    return text, damaged


@examples
@given(files)
def test_every_damaged_line_is_rejected_with_its_line(files):
    """Kept and rejected lines add up to all lines that are not headers; each rejected one has its line and error."""
    with tempfile.TemporaryDirectory() as folder:
        expected = []
        good = 0
        for number, (kinds, packed) in enumerate(files):
            text, damaged = lines_of(kinds)
            path = Path(folder) / f"{number}.log"
            path.write_bytes(gzip.compress(text.encode()) if packed else text.encode())
            expected += [(str(path), *fault) for fault in damaged]
            good += kinds.count(None)
        kept, rejected = read(f"{folder}/*.log")
    assert rejected.rows() == expected
    assert [value for _, _, value in faults(rejected)] == [value for *_, value in expected]
    assert kept.height + rejected.height == good + len(expected)
