r"""Parse the header lines of a Zeek log, and split the log where its header changes.

The header lines and their meaning: https://docs.zeek.org/en/master/log-formats.html. A file may be several logs
concatenated, each with a header. Where a header differs from the one above it, the file is split, and each block is
read according to its own header. A separator of several bytes (`\x7c\x7c`) is first replaced with a character that the
log does not contain.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO

import numpy as np

from cybersec_assets.errors import UnreadableLogError
from cybersec_assets.flows.compression import CHUNK_BYTES
from cybersec_assets.flows.parsing.lines import CONTROL_CHARACTERS, holds
from cybersec_assets.flows.staging import HEAD_BYTES, StagedLog

BOM = b"\xef\xbb\xbf"
MARK = b"\n#fields"
MAX_BLOCKS = 1_000
"""Far more than a sensor writes in a day. Every block costs a file and a reading."""
SEPARATOR = re.compile(r"#separator[ \t](.*)")
SEPARATOR_PART = re.compile(r"\\x[0-9A-Fa-f]{2}|\\t|[^\\]")
MAX_SEPARATOR_BYTES = 16
ESCAPED = re.compile(rb"(?<!#separator[ \t])\\x")
COMMENT = re.compile(rb"\n#[^\n]*")


@dataclass(frozen=True)
class Header:
    """A header.

    Attributes:
        fields: The names of the columns, in order.
        separator: The character between two fields.
        unset: The text of a field that is unset.
        empty: The text of a field that is empty.
    """

    fields: Sequence[str]
    separator: str = "\t"
    unset: str = "-"
    empty: str = "(empty)"


@dataclass(frozen=True)
class Block:
    r"""A part of a log with one header.

    Attributes:
        log: The part as a file of its own, or the whole file if its header never changes.
        header: The header.
        escaped: Whether a value may have a character that is written as `\xHH`.
        even: Whether the records have as many separators as the header on average. Then none has more unless another
            has fewer.
        comments: The number of comments. In a log that is split, all are counted in the first block.
    """

    log: StagedLog
    header: Header
    escaped: bool
    even: bool
    comments: int


def blocks(log: StagedLog) -> list[Block]:
    """Split a log where its header changes; the parts are written beside the log.

    Raises:
        UnreadableLogError: The first header is missing, or is not above all records; a `#separator` is invalid; or
            there are over 1,000 parts.
    """
    try:
        return _blocks(log)
    except _LongSeparatorError:
        return _blocks(_with_short_separators(log))


def _blocks(log: StagedLog) -> list[Block]:
    first = _first_header(log)
    with log.path.open("rb") as file:
        found = _survey(file, first.separator.encode())
        cuts = list(_changes(log, file, found.marks, first))
        if len(cuts) >= MAX_BLOCKS:
            raise UnreadableLogError(f"{log.name} changes its header over {MAX_BLOCKS:,} times", "Split the file")
        logs = list(_split(log, file, [place for place, _ in cuts])) if cuts else [log]
    headers = [first, *(header for _, header in cuts)]
    even = not cuts and found.separators == found.records * (len(first.fields) - 1)
    comments = [found.comments] + [0] * len(cuts)
    return [
        Block(part, header, found.escaped, even, number)
        for part, header, number in zip(logs, headers, comments, strict=True)
    ]


def _first_header(log: StagedLog) -> Header:
    lines = [line.removeprefix("\ufeff") for line in log.first_lines]
    header = _parse(log, _comments(lines), Header([]))
    if header.fields:
        return header
    number = next((number for number, line in enumerate(lines, log.first_line) if line.startswith("#fields")), None)
    if number is not None:
        raise UnreadableLogError(
            f"{log.name} has records above its header, which is line {number}", "Split the file there"
        )
    raise UnreadableLogError(f"{log.name} has no #fields line", "Keep Zeek's header lines in the log")


def _comments(lines: Sequence[str]) -> list[str]:
    return list(takewhile(lambda line: line.startswith("#"), lines))


def _parse(log: StagedLog, lines: Sequence[str], above: Header) -> Header:
    """Parse header lines; what they do not define is as in the header above."""
    # Of headers with no record between them, the last one counts.
    declared = next((found[1] for line in reversed(lines) if (found := SEPARATOR.match(line))), None)
    separator = above.separator if declared is None else _separator(log, declared)
    values = dict(line[1:].split(separator, 1) for line in lines if separator in line)
    fields = values["fields"].split(separator) if "fields" in values else above.fields
    return Header(fields, separator, values.get("unset_field", above.unset), values.get("empty_field", above.empty))


class _LongSeparatorError(Exception):
    """A header's separator is not one ASCII character."""


def _separator(log: StagedLog, declared: str) -> str:
    separator = _separator_bytes(declared)
    if separator is None:
        # The separator is not quoted: in a damaged file it may be anything, even an address.
        raise UnreadableLogError(
            f"{log.name}: its #separator is empty, too long, or not written as characters and \\xHH",
            "Set one such as \\x09 in Zeek",
        )
    if len(separator) > 1 or not separator.isascii():
        raise _LongSeparatorError
    return separator.decode()


def _separator_bytes(declared: str) -> bytes | None:
    r"""Return the bytes of a separator, which may be written as `\xHH` or `\t`; None if it is invalid."""
    text = declared.strip()
    parts = SEPARATOR_PART.findall(text)
    # U+FFFD replaces bytes that are not UTF-8.
    if not parts or "".join(parts) != text or "\ufffd" in text:
        return None
    separator = b"".join(_separator_byte(part) for part in parts)
    return None if len(separator) > MAX_SEPARATOR_BYTES or set(separator) & set(b"\r\n") else separator


def _separator_byte(part: str) -> bytes:
    if part.startswith(r"\x"):
        return bytes.fromhex(part[2:])
    return b"\t" if part == r"\t" else part.encode()


def _with_short_separators(log: StagedLog) -> StagedLog:
    """Write a copy of a log in which a character that it does not contain replaces each longer separator."""
    character = next((character for character in CONTROL_CHARACTERS if not holds(log, character)), None)
    if character is None:
        raise UnreadableLogError(f"{log.name} has control characters of every kind", "Remove it: it is not a flow log")
    copy = log.path.with_name(f"{log.path.name}.separators")
    with log.path.open("rb") as file, copy.open("wb") as to:
        separator = b""
        for line in file:
            declared = SEPARATOR.match(line.removeprefix(BOM).decode("utf-8", "replace").rstrip("\r\n"))
            if declared is None:
                to.write(line.replace(separator, character.encode()) if separator else line)
                continue
            found = _separator_bytes(declared[1])
            is_long = found is not None and (len(found) > 1 or not found.isascii())
            separator = found if found is not None and is_long else b""
            to.write(f"#separator \\x{ord(character):02x}\n".encode() if is_long else line)
    return replace(log, path=copy)


@dataclass
class _Survey:
    """The results of one pass over a log.

    Attributes:
        marks: The positions of the line ends before `#fields`.
        escaped: Whether a character is escaped.
        records: The number of lines that are not comments.
        separators: The number of separators in those lines. Some in a comment that spans two chunks may be counted too.
        comments: The number of comments.
    """

    marks: list[int] = field(default_factory=list)
    escaped: bool = False
    records: int = 0
    separators: int = 0
    comments: int = 0


def _survey(file: BinaryIO, separator: bytes) -> _Survey:
    place = len(BOM) if file.read(len(BOM)) == BOM else file.seek(0)
    found = _Survey()
    # The first line has no line end before it.
    window = b"\n"
    while chunk := file.read(CHUNK_BYTES):
        window = window[1 - len(MARK) :] + chunk
        place += len(chunk)
        signs = np.frombuffer(chunk, np.uint8)
        found.records += int(np.count_nonzero(signs == ord("\n")))
        found.separators += int(np.count_nonzero(signs == ord(separator)))
        # Records rarely have either character, and a search for one character is far faster.
        found.escaped = found.escaped or (b"\\" in window and ESCAPED.search(window) is not None)
        if b"#" in window:
            found.marks += [place - len(window) + mark.start() for mark in re.finditer(MARK, window)]
            # A comment whose line end is the last byte of the previous chunk was not found there.
            comments = [mark[0] for mark in COMMENT.finditer(window, len(window) - len(chunk) - 1)]
            found.comments += len(comments)
            found.records -= len(comments)
            found.separators -= sum(comment.count(separator) for comment in comments)
    found.records += not window.endswith(b"\n")
    return found


def _changes(log: StagedLog, file: BinaryIO, marks: Sequence[int], first: Header) -> Iterator[tuple[int, Header]]:
    """Yield the position of each header that differs from the one above it, and the header."""
    header = first
    for mark in marks:
        begin = _header_begin(file, mark + 1)
        file.seek(begin)
        lines = _comments(_lines(file.read(HEAD_BYTES)))
        found = _parse(log, lines, header)
        if begin and found != header:
            header = found
            yield begin, header


def _header_begin(file: BinaryIO, place: int) -> int:
    """Return the position of the first of the consecutive header lines above a position."""
    start = max(place - HEAD_BYTES, 0)
    file.seek(start)
    above = file.read(place - start).removesuffix(b"\n").split(b"\n")
    header = list(takewhile(lambda line: line.removeprefix(BOM).startswith(b"#"), reversed(above)))
    return place - sum(len(line) + 1 for line in header)


def _lines(text: bytes) -> list[str]:
    return [line.removesuffix("\r") for line in text.decode("utf-8", "replace").split("\n")]


def _split(log: StagedLog, file: BinaryIO, cuts: Sequence[int]) -> Iterator[StagedLog]:
    """Write each part to a file, and yield it with the number of its first line."""
    line = log.first_line
    file.seek(0)
    for number, (begin, end) in enumerate(zip([0, *cuts], [*cuts, None], strict=True)):
        part = log.path.with_name(f"{log.path.name}.{number}")
        lines = _copy(file, part, None if end is None else end - begin)
        yield replace(log, path=part, first_line=line)
        line += lines


def _copy(file: BinaryIO, to: Path, size: int | None) -> int:
    """Copy `size` bytes, or all that are left, and return the number of their lines."""
    lines = 0
    last = b"\n"
    with to.open("wb") as copy:
        while chunk := file.read(CHUNK_BYTES if size is None else min(size, CHUNK_BYTES)):
            lines += chunk.count(b"\n")
            last = chunk[-1:]
            size = None if size is None else size - len(chunk)
            copy.write(chunk)
    return lines + (last != b"\n")
