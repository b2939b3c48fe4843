"""Remove the wrappers that log shippers put around records, before a reader gets the file.

    head → are its records wrapped? ─ no → the file itself
                   │ yes
                   └→ line by line → a copy with the plain records

The copy has one line for each line of the file, so line numbers stay the same, and the quarantine can quote the
original line (`StagedLog.original`). A line without a wrapper is not changed; a line that cannot be unwrapped is left
to the reader, which reports it. Of a plain file, only the head is read. The wrappers are defined in `parsing.prefixes`
and `parsing.wrapped_json`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product

from cybersec_assets.flows.parsing.prefixes import before_stream, before_text, prefix_name
from cybersec_assets.flows.parsing.wrapped_json import Unwrapped, text_in, unwrap_line
from cybersec_assets.flows.staging import StagedLog, is_text

PLAIN_RECORDS = 20
"""A file whose head has this many plain records has no wrappers."""
TABLE_LINES = 50
"""How many lines of a table are checked for wrappers. All lines of a table are wrapped, or none."""
MAX_PEELS = 3
"""The most wrappers that a text record may have."""
Convert = Callable[[bytes], bytes]
Peel = Callable[[bytes], bytes | None]
PEELS: tuple[Peel, ...] = (text_in, before_text, before_stream)
"""Functions that remove one wrapper from a line of text; they return None if the line has no such wrapper."""
Recognise = Callable[[StagedLog], bool]


def unwrapped(log: StagedLog, *, json: bool, is_plain: Recognise, is_known: Recognise) -> StagedLog:
    """Return a log with plain records: the log itself, or a copy if its records are wrapped.

    Args:
        log: The log.
        json: Whether its records may be JSON.
        is_plain: Returns whether a file has a format whose lines may look wrapped although they are not.
        is_known: Returns whether a file has a known format, judged by its head.
    """
    begin = log.head
    if not is_text(begin):
        return log
    head = begin.split(b"\n")
    found = _json_records(head) if json else []
    if any(record.changed for record in found):
        convert: Convert | None = _unwrap_json
    else:
        convert = None if found else _text_unwrapper(log, head[:TABLE_LINES], is_plain, is_known)
    if convert is None:
        return log
    copy = log.path.with_name(f"{log.path.name}.plain")
    with log.path.open("rb") as file, copy.open("wb") as to:
        to.writelines(_converted(file, convert))
    return replace(log, path=copy, original=log.path)


def wrapper_name(log: StagedLog) -> str | None:
    """Return the name of the wrapper of a log's first line for a message, or None if it has none."""
    first = log.head.split(b"\n", 1)[0]
    return "JSON wrapper" if text_in(first) is not None else prefix_name(first)


def _json_records(head: Sequence[bytes]) -> list[Unwrapped]:
    """Return the records of a head, wrapped or not, up to the first that is wrapped."""
    found: list[Unwrapped] = []
    for line in head:
        record = unwrap_line(line)
        found += [record] if record.is_record else []
        if record.is_record and (record.changed or len(found) == PLAIN_RECORDS):
            break
    return found


def _unwrap_json(line: bytes) -> bytes:
    return unwrap_line(line).text


def _text_unwrapper(log: StagedLog, head: Sequence[bytes], is_plain: Recognise, is_known: Recognise) -> Convert | None:
    """Return a function that removes the fewest wrappers that make the head a known format; None if none do."""
    wrapped = [any(peel(line) is not None for peel in (text_in, before_text)) for line in head]
    # A header line never looks like a prefix, so a first line that does has one.
    if not any(wrapped) or (is_plain(log) and not wrapped[0]):
        return None
    for size in range(1, MAX_PEELS + 1):
        for peels in product(PEELS, repeat=size):
            lines = list(head)
            for peel in peels:
                peeled = [_peeled(line, peel) for line in lines]
                if peeled == lines:
                    break
                lines = peeled
            else:
                if _is_known(log, lines, is_known):
                    return _peeler(peels)
    return None


def _is_known(log: StagedLog, lines: Iterable[bytes], is_known: Recognise) -> bool:
    head = log.path.with_name(f"{log.path.name}.head")
    head.write_bytes(b"\n".join(lines))
    known = is_known(replace(log, path=head))
    head.unlink()
    return known


def _peeler(peels: Sequence[Peel]) -> Convert:
    def convert(line: bytes) -> bytes:
        for peel in peels:
            line = _peeled(line, peel)
        return line

    return convert


def _peeled(line: bytes, peel: Peel) -> bytes:
    text = peel(line)
    return line if text is None else text


def _converted(lines: Iterable[bytes], convert: Convert) -> Iterator[bytes]:
    for line in lines:
        # A last line with only a carriage return must stay a line.
        plain = convert(line.removesuffix(b"\n"))
        yield plain + b"\n" if line.endswith(b"\n") else plain
