"""Count the records among damaged lines in plain Python, by the rules of each format."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from cybersec_assets.flows.readers.suricata.eve import EVENT
from cybersec_assets.flows.readers.suricata.flow import FLOW
from cybersec_assets.flows.readers.zeek.json import is_unnamed_conn

Record = Mapping[str, str]
BLANK = " \t\r\ufeff"
"""The characters that a blank line may have."""
SEVERAL_NUMBERS = re.compile(r"\d+(,\d+){5}")


def _never(_: Record) -> bool:
    return False


@dataclass(frozen=True)
class Named:
    """A format of lines under a header.

    Attributes:
        header: The header.
        separator: The character between two fields.
        mark: The name by which a header is detected.
        is_other: Returns whether a complete record is not a flow.
    """

    header: str
    separator: str
    mark: str
    is_other: Callable[[Record], bool] = _never

    def record(self, line: str) -> Record | None:
        """Return a line's fields by name; None if their number is wrong."""
        names = self.header.split(self.separator)
        values = line.split(self.separator)
        return dict(zip(names, values, strict=True)) if len(names) == len(values) and "\x01" not in line else None


def _text(line: bytes) -> str:
    """Return a line without its line end, and without the byte order mark of a concatenated file."""
    return line.removesuffix(b"\r").decode("utf-8", "replace").removeprefix("\ufeff")


def count_zeek(lines: Sequence[bytes]) -> int | None:
    """Count lines that are not comments or empty; return None if there is another `#fields` line."""
    if any(line.startswith((b"#fields\t", b"#fields\r")) or line == b"#fields" for line in lines):
        return None
    return sum(not line.startswith(b"#") and bool(line.removesuffix(b"\r").strip(b"\t")) for line in lines)


def count_csv(lines: Sequence[bytes]) -> int:
    """Count lines that are not blank; the lines of a row with a quoted multiline field count as one.

    In a file with such a field, blank lines count, too: the rows then cannot be matched to lines.
    """
    left = [line.removesuffix(b"\r").decode("utf-8", "replace") for line in lines]
    found = list[str]()
    while left:
        states = [_csv_state("\n".join(left[: number + 1])) for number in range(len(left))]
        ends = next((number for number, state in enumerate(states) if state != "open"), None)
        size = 1 if ends is None or states[ends] == "wrong" else ends + 1
        found.append("\n".join(left[:size]))
        left = left[size:]
    return sum(bool(row.strip(BLANK)) or any("\n" in row for row in found) for row in found)


def _csv_state(text: str) -> str:
    """Return `open` if text ends within quotes, `wrong` if it has misplaced quotes, and else `whole`."""
    within = False
    before = ","
    for sign in text:
        if sign == '"' and not within and before not in ',"':
            return "wrong"
        if not within and before == '"' and sign not in ',"':
            return "wrong"
        within = not within if sign == '"' else within
        before = "" if within and sign != '"' else sign
    return "open" if within else "whole"


def count_named(kind: Named) -> Callable[[Sequence[bytes]], int]:
    """Return a function that counts lines that are not headers or records of another kind.

    Below another header, each line is a damaged record.
    """

    def count(lines: Sequence[bytes]) -> int:
        known = True
        found = 0
        for line in (text for text in map(_text, lines) if text.strip(BLANK)):
            record = kind.record(line)
            if record and kind.mark in record.values():
                known = line == kind.header
                found += not known
            else:
                found += not (known and record and kind.is_other(record))
        return found

    return count


def count_nfdump(kind: Named, totals: str) -> Callable[[Sequence[bytes]], int]:
    """Return a function that counts lines that are not part of a summary."""

    def count(lines: Sequence[bytes]) -> int:
        texts = [line.removesuffix(b"\r").decode("utf-8", "replace") for line in lines]
        about = {"Summary", totals, *(f"No match{how} flow{s}" for how in ("ed", "ing") for s in ("", "s"))}
        above = ["", *texts]
        return count_named(kind)(
            [
                text.encode()
                for before, text in zip(above, texts, strict=False)
                if text not in about and not (before == totals and SEVERAL_NUMBERS.fullmatch(text))
            ]
        )

    return count


def count_json(is_record: Callable[[Mapping[str, object]], bool]) -> Callable[[Sequence[bytes]], int]:
    """Return a function that counts lines that are not blank or objects of another kind."""

    def count(lines: Sequence[bytes]) -> int:
        texts = [line.decode("utf-8", "replace").strip(" \t\r\ufeff") for line in lines]
        return sum(text != "" and not _is_other(text, is_record) for text in texts)

    return count


def _is_other(text: str, is_record: Callable[[Mapping[str, object]], bool]) -> bool:
    with suppress(ValueError, RecursionError):
        # Python reads NaN, which JSON does not have, and `fromhex` does not read it either.
        found = json.loads(text, parse_constant=int, object_pairs_hook=_firsts)
        return isinstance(found, dict) and not is_record(found)
    return False


def _firsts(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    """Keep the first value of a repeated name."""
    return dict(reversed(pairs))


def is_flow(event: Mapping[str, object]) -> bool:
    """Return whether an event is a flow; without a type, it is one if it has any field of a flow."""
    kind = event.get("event_type")
    flow = event.get("flow")
    inner = flow if isinstance(flow, dict) else {}
    named = [event.get(name) for name in EVENT[1:]] + [inner.get(name) for name in FLOW]
    return kind == "flow" or (kind is None and any(value is not None for value in named))


def is_connection(record: Mapping[str, object]) -> bool:
    """Return whether a record is a connection, by the stream name, by unique fields, or by all its fields."""
    streams = [record[name] for name in ("_path", "@stream") if record.get(name) not in (None, "")]
    marks = ("conn_state", "history", "orig_pkts", "resp_pkts", "orig_bytes", "resp_bytes")
    if streams or any(record.get(name) is not None for name in marks):
        return not streams or streams[0] == "conn"
    return is_unnamed_conn(record)
