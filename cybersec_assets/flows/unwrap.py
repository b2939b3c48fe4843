"""Log files whose records are wrapped by what carried them, made plain before a reader sees them.

    head → do its lines hold records in wrappers? ─ no → the file as it is
                          │ yes
                          └→ line by line → a copy with the plain records

The copy has a line for each of the file's, so that numbers of lines stay, and the quarantine quotes the file's own
line (`StagedLog.original`). A line without a wrapper stays as it is; what cannot be unwrapped is for the reader to
refuse. Plain files cost one look at their head. What belongs elsewhere: what wrappers look like (`parsing.prefixes`,
`parsing.wrapped_json`), and what records mean (`readers`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import product

from cybersec_assets.flows.parsing.prefixes import before_stream, before_text, prefix_name
from cybersec_assets.flows.parsing.wrapped_json import Unwrapped, text_in, unwrap_line
from cybersec_assets.flows.staging import StagedLog, is_text

PLAIN_RECORDS = 20
"""So many plain records at the head of a file show that it has no wrappers."""
TABLE_LINES = 50
"""So many lines of a table show whether it is wrapped: wrappers stand around all of its lines."""
MAX_PEELS = 3
"""How many wrappers a record of text may have."""
Convert = Callable[[bytes], bytes]
Peel = Callable[[bytes], bytes | None]
PEELS: tuple[Peel, ...] = (text_in, before_text, before_stream)
"""The ways to take one wrapper off a line of text; None where the line has no such wrapper."""
Recognise = Callable[[StagedLog], bool]


def unwrapped(log: StagedLog, *, json: bool, is_plain: Recognise, is_known: Recognise) -> StagedLog:
    """Return a log with plain records: the log itself, or a copy beside it where its records are wrapped.

    Args:
        log: The log.
        json: Whether its records may be JSON.
        is_plain: Tells whether a file is of a format of which no line is ever taken for a wrapped one.
        is_known: Tells by its head whether a file is of a known format.
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
    """Return what the wrapper of a log's first line is called in a message, or None where it has none."""
    first = log.head.split(b"\n", 1)[0]
    return "JSON wrapper" if text_in(first) is not None else prefix_name(first)


def _json_records(head: Sequence[bytes]) -> list[Unwrapped]:
    """Return the records of a head, wrapped or not; no more than tell whether some are wrapped."""
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
    """Return how to unwrap lines of text: by the fewest wrappers under which the head is of a known format."""
    wrapped = [any(peel(line) is not None for peel in (text_in, before_text)) for line in head]
    # A first line that names columns begins with no prefix, so that one that does has one.
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
        # A carriage return alone may be all of the last line, which has to stay one.
        plain = convert(line.removesuffix(b"\n"))
        yield plain + b"\n" if line.endswith(b"\n") else plain
