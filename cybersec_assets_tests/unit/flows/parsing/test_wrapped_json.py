"""Records with a prefix or in the wrapper of a log shipper are read like those of a plain file."""

import json
import tempfile
import time
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.ingest import ingest
from cybersec_assets.flows.parsing.wrapped_json import MAX_DEPTH
from cybersec_assets.flows.quarantine import write_quarantine
from cybersec_assets.flows.source import FlowSource
from cybersec_assets_tests.support.flows.delimited_logs import ARGUS, AWS_VPC, NFDUMP
from cybersec_assets_tests.support.flows.json_logs import ALERT, DNS, conn, event, lines
from cybersec_assets_tests.support.flows.logs import (
    DAY,
    csv_log,
    csv_row,
    examples,
    faults,
    find,
    read,
    write,
    zeek_log,
    zeek_row,
)


def under(*names):
    """Return a function that nests a text below some names, from the outside."""

    def wrap(text):
        for name in reversed(names):
            text = {name: text}
        return json.dumps({"@timestamp": "2024-04-19T00:00:00Z", "host": {"name": "fw"}} | text)

    return wrap


PREFIXES = {
    "RFC 3164": "Jan  1 00:00:00 fw suricata[1234]: ",
    "RFC 3164 with a priority": "<134>Dec 31 23:59:59 fw suricata[1234]: ",
    "RFC 3164 with a year": "Jan 11 2024 00:00:00.123 fw zeek: ",
    "RFC 3164 without a host": "<13>Jan  1 00:00:00 zeek[1]: ",
    "BusyBox": "Jan  1 00:00:00 fw user.notice zeek: ",
    "rsyslog's ISO time": "2024-04-19T00:00:00.123456+02:00 fw suricata[1]: ",
    "RFC 5424": "<165>1 2024-04-19T00:00:00.003Z fw suricata 12 ID47 - ",
    "RFC 5424 with data": '<165>1 2024-04-19T00:00:00Z fw zeek - - [ex@1 a="{]\\"" b="c d"][y z="1"] \ufeff',
    "RFC 5424 without a time": "<165>1 - - zeek - - - ",
    "an octet count": "123 <165>1 2024-04-19T00:00:00Z fw zeek - - - ",
    "CloudWatch": "2024-04-19T00:00:00.000Z ",
    "a naive time": "2024-04-19 00:00:00,123 ",
    "CRI": "2024-04-19T00:00:00.123456789+02:00 stdout F ",
    "docker compose": "zeek-1  | ",
    "kubectl": "[pod/zeek-7d4b9/zeek] ",
    "a weekday": "Fri Apr 19 00:00:00 2024 fw zeek: ",
}
"""Prefixes of records of any kind."""
JSON_PREFIXES = PREFIXES | {
    "a cookie": "@cee:",
    "syslog with a cookie": "<134>Jan  1 00:00:00 fw suricata: @cee: ",
    "no tag": "Jan  1 00:00:00 fw ",
    "a priority alone": "<134>",
    "milliseconds": "1713484800000 ",
    "slashes and a level": "2024/04/19 00:00:00 [INFO] ",
    "Fluentd": "2024-04-19T00:00:00+00:00\tzeek.conn\t",
}
STREAM = "2024-04-19T00:00:00+00:00 eni-1235b8ca-all "
"""The prefix of `aws logs tail`."""
WRAPPERS = {
    "Filebeat": under("message"),
    "Docker": lambda text: json.dumps({"log": f"{text}\n", "stream": "stdout", "time": "2024-04-19T00:00:00Z"}),
    "journald": under("MESSAGE"),
    "GELF": under("short_message"),
    "an original": under("event", "original"),
    "a flat original": under("event.original"),
    "Splunk's raw": under("result", "_raw"),
    "Elasticsearch": under("_source", "message"),
}
"""Wrappers of text."""
OBJECT_WRAPPERS = {
    "Splunk": '{{"preview": false, "offset": 3, "result": {}}}',
    "a sensor": '{{"suricata": {{"eve": {}}}}}',
    "a lone name": '{{"whatever": {}}}',
    "Google": '{{"insertId": "1", "jsonPayload": {}}}',
    "HEC": '{{"time": 1, "sourcetype": "x", "event": {}}}',
}
"""Wrappers of objects."""


def nested(record):
    """Return a record nested or flattened, as other tools write it."""
    if "event_type" in record:
        flow = {f"flow.{name}": value for name, value in record.get("flow", {}).items()}
        return {name: value for name, value in record.items() if name != "flow"} | flow
    ends = {name.removeprefix("id."): value for name, value in record.items() if name.startswith("id.")}
    return {"id": ends} | {name: value for name, value in record.items() if not name.startswith("id.")}


RECORDS = {
    "zeek": [conn(uid="a"), DNS, conn(uid="b", service='{"_path": "conn"}'), conn(uid="c", duration=None)],
    "suricata": [event(flow_id=1), ALERT, event(flow_id=2, app_proto="Jan  1 00:00:00 x y: {"), event(flow_id=3)],
}
TEXTS = {
    "zeek": zeek_log(zeek_row(), zeek_row(uid="b")) + "#close\t2024-04-20\n",
    "aws_vpc": AWS_VPC.row({"srcaddr": "2001:db8::"}) * 3,
    "aws_vpc with a header": AWS_VPC.log(AWS_VPC.row()),
    "csv": csv_log(csv_row(), csv_row(src_ip="10.0.0.9")),
    "argus": ARGUS.log(ARGUS.row()),
    "nfdump": NFDUMP.log(NFDUMP.row()),
}


def prefixed(prefix):
    """Return a function that puts a prefix before a line."""
    return lambda line: prefix + line


JSON_WAYS = (
    {name: prefixed(prefix) for name, prefix in JSON_PREFIXES.items()}
    | WRAPPERS
    | {name: form.format for name, form in OBJECT_WRAPPERS.items()}
    | {"nested": lambda line: json.dumps(nested(json.loads(line)))}
)
TEXT_WAYS = {name: prefixed(prefix) for name, prefix in PREFIXES.items()} | WRAPPERS


def quarantine(log):
    """Ingest a log, and return the kept flows, the quarantined lines, and the number of other lines by name."""
    with tempfile.TemporaryDirectory() as folder:
        kept, rejected, aside = (Path(folder) / name for name in ("kept", "rejected", "aside"))
        logs = FlowSource(str(log)).logs_of(DAY, Path(folder) / "logs")
        ingested = ingest(logs, kept, rejected)
        if not ingested.rejected:
            return pl.read_parquet(kept), [], ingested.others
        write_quarantine(rejected, logs, aside)
        return pl.read_parquet(kept), pl.read_parquet(aside).select("line", "text").rows(), ingested.others


@pytest.fixture
def log(tmp_path):
    """Return the path of the log."""
    return tmp_path / "flows.log"


@pytest.mark.parametrize("sensor", RECORDS)
@pytest.mark.parametrize("way", JSON_WAYS)
def test_wrapped_json_gives_the_flows_of_the_plain_file(log, sensor, way):
    """Lines may end with LF or CRLF, and the last one need not end."""
    texts = lines(*RECORDS[sensor]).splitlines()
    expected, _ = read(write(log, "\n".join(texts)))
    wrapped = [JSON_WAYS[way](text) for text in texts]
    for end in ("\n", "\r\n"):
        kept, rejected = read(write(log, end.join(wrapped)))
        assert kept.equals(expected)
        assert rejected.is_empty()


@pytest.mark.parametrize("kind", TEXTS)
@pytest.mark.parametrize("way", TEXT_WAYS)
def test_wrapped_tables_give_the_flows_of_the_plain_file(log, kind, way):
    expected, _ = read(write(log, TEXTS[kind]))
    kept, rejected = read(write(log, "\n".join(map(TEXT_WAYS[way], TEXTS[kind].splitlines()))))
    assert kept.equals(expected)
    assert rejected.is_empty()


@pytest.mark.parametrize("kind", ["zeek", "aws_vpc", "aws_vpc with a header"])
def test_the_output_of_aws_logs_tail_is_read(log, kind):
    expected, _ = read(write(log, TEXTS[kind]))
    kept, rejected = read(write(log, "\n".join(STREAM + line for line in TEXTS[kind].splitlines())))
    assert kept.equals(expected)
    assert rejected.is_empty()


def test_tabs_that_rsyslog_escaped_are_tabs(log):
    expected, _ = read(write(log, TEXTS["zeek"]))
    escaped = [PREFIXES["RFC 3164"] + line.replace("\t", "#011") for line in TEXTS["zeek"].splitlines()]
    kept, _ = read(write(log, "\n".join(escaped)))
    assert kept.equals(expected)


def test_a_wrapper_may_name_the_stream(log):
    """A connection may be under the name of its stream. Other streams are skipped by their names."""
    expected, _ = read(write(log, lines(conn(uid="a"), conn(uid="b"))))
    for name in ("conn", "zeek.conn", "bro_conn", "conn.log"):
        wrapped = [{name: conn(uid="a")}, {"dns": DNS | {"conn_state": "SF"}}, {name: conn(uid="b")}]
        kept, rejected = read(write(log, lines(*wrapped)))
        assert kept.equals(expected)
        assert rejected.is_empty()


ways = st.lists(st.sampled_from([*WRAPPERS.values(), *map(prefixed, JSON_PREFIXES.values())]), max_size=3)


def wrap(text, chosen):
    """Return a text in several wrappers, the first innermost."""
    for way in chosen:
        text = way(text)
    return text


@st.composite
def wrapped_logs(draw):
    """Return lines of valid and damaged records, each with its wrapped form."""
    make, number = draw(st.sampled_from([(conn, "uid"), (event, "flow_id")]))
    found = []
    for place in range(draw(st.integers(1, 12))):
        text = json.dumps(make(**{number: str(place)}))
        if draw(st.booleans()):
            text = json.dumps({"uid": "x", **ALERT} if make is event else {"_path": "dns", **DNS})
        # A damaged record is truncated, or the message of another program.
        cut = draw(st.sampled_from([None, None, "cut", "words"]))
        if cut == "cut":
            text = text[: draw(st.integers(1, len(text) - 1))]
        elif cut == "words":
            text = draw(st.text(st.characters(codec="ascii", categories=["L", "Nd"]), min_size=1))
        found.append((text, wrap(text, draw(ways))))
    text = json.dumps(make(**{number: "last"}))
    return [(text, under("message")(text)), *found]


@examples
@given(wrapped_logs())
def test_wrappers_may_be_mixed_and_nothing_is_lost(found):
    """Each line of a file may have other wrappers. Damaged lines are quarantined unchanged."""
    with tempfile.TemporaryDirectory() as folder:
        expected, damaged, others = quarantine(write(Path(folder) / "a.log", "\n".join(text for text, _ in found)))
        kept, aside, counted = quarantine(write(Path(folder) / "b.log", "\n".join(wrapped for _, wrapped in found)))
    assert kept.equals(expected)
    assert counted == others
    assert [line for line, _ in aside] == [line for line, _ in damaged]
    assert [text for _, text in aside] == [found[line - 1][1] for line, _ in damaged]


@pytest.mark.parametrize("way", ["CRI", "Filebeat", "RFC 5424"])
def test_damaged_lines_are_quarantined_with_their_wrappers(log, way):
    bad = TEXT_WAYS[way](AWS_VPC.row({"bytes": "many"}).rstrip("\n"))
    good = TEXT_WAYS[way](AWS_VPC.row().rstrip("\n"))
    kept, aside, _ = quarantine(write(log, f"{good}\n{bad}\nno prefix\n\n{good}"))
    assert kept.height == 2
    assert aside == [(2, bad), (3, "no prefix")]


def test_an_empty_wrapper_is_quarantined(log):
    """A blank line is ignored, but not a blank message."""
    good = WRAPPERS["Filebeat"](AWS_VPC.row().rstrip("\n"))
    nothing = [WRAPPERS["Filebeat"](" "), PREFIXES["CRI"] + " ", WRAPPERS["Filebeat"]("a\nb")]
    _, aside, others = quarantine(write(log, "\n".join([good, *nothing])))
    assert aside == [(number, text) for number, text in enumerate(nothing, 2)]
    assert not others


def test_records_in_messages_of_other_programs_are_not_flows(log):
    forged = json.dumps(event(flow_id=666))
    texts = [
        JSON_PREFIXES["RFC 3164"] + json.dumps(event(flow_id=1)),
        f"Jan  1 00:00:00 fw sshd[1]: Invalid user {forged} from 10.0.0.1",
        f"Jan  1 00:00:00 fw sshd[1]: Invalid user {forged}",
        f"Invalid user {forged}",
        json.dumps(event(flow_id=2, app_proto=forged)),
        json.dumps({"time": 1, "user_agent": forged}),
    ]
    kept, aside, _ = quarantine(write(log, "\n".join(texts)))
    assert kept["uid"].to_list() == ["1", "2"]
    assert [line for line, _ in aside] == [2, 3, 4]


@pytest.mark.parametrize(("wrappers", "flows"), [(MAX_DEPTH, 2), (MAX_DEPTH + 1, 1)])
def test_a_record_with_too_many_wrappers_is_quarantined(log, wrappers, flows):
    texts = [json.dumps(event(flow_id=number)) for number in (1, 2)]
    wrapped = wrap(texts[1], [under("message")] * wrappers)
    kept, aside, _ = quarantine(write(log, "\n".join([under("message")(texts[0]), wrapped])))
    assert kept.height == flows
    assert aside == ([] if flows == 2 else [(2, wrapped)])


@pytest.mark.parametrize("way", ["Filebeat", "Splunk's raw", "CRI"])
def test_hostile_lines_are_quarantined_quickly(log, way):
    """These are unclosed objects, nested messages and long tokens."""
    wrapper = JSON_WAYS[way]
    good = json.dumps(event(flow_id=1))
    too_deep = wrap(good, [under("message")] * (MAX_DEPTH + 1))
    hostile = [
        too_deep,
        '{"message": ' * 50_000,
        '{"message": ' * 50_000 + "1" + "}" * 50_000,
        '{"a":' * 50_000 + "1" + "}" * 50_000,
        wrapper("[" * 100_000),
        "Jan  1 00:00:00 " + "a" * 900_000,
        "Jan  1 00:00:00 " + "a: " * 300_000,
        "<1>1 - - - - - [" + '"' * 900_000,
        "2024-04-19T00:00:00Z" + " " * 900_000 + "x",
        '{"message": "' + "{" * 900_000 + '"}',
        wrapper(json.dumps({"message": " "})),
    ]
    began = time.monotonic()
    kept, aside, _ = quarantine(write(log, "\n".join([wrapper(good), *hostile, wrapper(good)])))
    assert time.monotonic() - began < 60
    assert kept["uid"].to_list() == ["1", "1"]
    assert (2, too_deep) in aside


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1.5s", 1.5), ("1m2.5s", 62.5), ("1h0m0.25s", 3600.25), ("70ms", 0.07), ("3µs", 0.000_003), ("0s", 0.0)],
)
def test_durations_of_zq_are_read(log, text, seconds):
    """The tool zq nests `id` and writes durations with units. Other values are errors, as in a plain file."""
    kept, rejected = read(write(log, lines(nested(conn(duration=text)), nested(conn(duration="1.5x")))))
    assert kept["duration"].to_list() == [seconds]
    assert faults(rejected) == [(2, "duration", "1.5x")]


def test_the_first_of_duplicate_names_counts(log):
    first, second = (json.dumps(json.dumps(event(flow_id=number))) for number in (1, 2))
    kept, _ = read(write(log, f'{{"message": {first}, "message": {second}}}\n'))
    assert kept["uid"].to_list() == ["1"]


def test_bytes_that_are_not_utf_8_are_read_as_in_a_plain_file(log):
    plain = json.dumps(event(app_proto="caf?")).encode().replace(b"?", b"\xe9")
    expected, _ = read(write(log, plain))
    for prefix in PREFIXES.values():
        assert read(write(log, prefix.encode() + plain))[0].equals(expected)


PLAIN = {name: lines(*records) for name, records in RECORDS.items()} | {
    f"{name} text": text for name, text in TEXTS.items()
}


@pytest.mark.parametrize("kind", PLAIN)
def test_a_plain_file_is_not_copied(log, kind):
    (found,) = find(write(log, PLAIN[kind])).files
    assert found.original is None


def test_a_plain_table_with_values_like_prefixes_is_not_copied(log):
    row = csv_row(timestamp="2024-04-19 10:00:00 UTC")
    assert find(write(log, csv_log(row))).files[0].original is None


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Jan  1 00:00:00 fw sshd[1]: Accepted\n", "a syslog prefix"),
        ("2024-04-19T00:00:00Z hello\n", "a time prefix"),
        ('{"message": "hello"}\n', "a JSON wrapper"),
    ],
)
def test_the_error_for_an_unknown_log_names_its_wrapper(log, text, named):
    with pytest.raises(
        UnreadableLogError, match=rf"is not a flow log of a known format.*; its lines have {named} with no"
    ):
        find(write(log, text))
