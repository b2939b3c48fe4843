"""A good file of each format, and how many records damaged lines of it are, counted by plain Python."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress

from cybersec_assets_tests.flows.json_logs import conn, event, lines
from cybersec_assets_tests.flows.logs import csv_log, csv_row, zeek_header, zeek_row
from cybersec_assets_tests.fuzz.damage import Sample


def _is_blank(line: bytes) -> bool:
    return not line.decode("utf-8", "replace").strip(" \t\r\ufeff")


def _count_zeek(written: Sequence[bytes]) -> int:
    """A line that begins with `#` is none; every other is one."""
    return sum(not line.startswith(b"#") for line in written)


def _count_every(written: Sequence[bytes]) -> int:
    return len(written)


def _count_json(is_record: Callable[[dict[str, object]], bool]) -> Callable[[Sequence[bytes]], int]:
    """A line is one unless it is blank, or an object of another kind."""

    def count(written: Sequence[bytes]) -> int:
        return sum(not _is_blank(line) and not _is_other(line, is_record) for line in written)

    return count


def _is_other(line: bytes, is_record: Callable[[dict[str, object]], bool]) -> bool:
    with suppress(ValueError, RecursionError):
        found = json.loads(line.decode("utf-8", "replace").strip(" \t\r\ufeff"), parse_constant=float.fromhex)
        return isinstance(found, dict) and not is_record(found)
    return False


def _records(text: str) -> list[bytes]:
    return text.encode().splitlines()


def _is_flow(found: dict[str, object]) -> bool:
    return found.get("event_type") == "flow"


SAMPLES = {
    "csv": Sample(csv_log().encode(), _records(csv_row() + csv_row(bytes="", duration="")), _count_every),
    "suricata": Sample(
        b"", _records(lines(event(), event(alerted=True, proto="UDP"), {"event_type": "dns"})), _count_json(_is_flow)
    ),
    "zeek": Sample(zeek_header().encode(), _records(zeek_row() + zeek_row(duration="-", service="-")), _count_zeek),
    "zeek_json": Sample(b"", _records(lines(conn(), conn(duration=None))), _count_json(lambda _: True)),
}
