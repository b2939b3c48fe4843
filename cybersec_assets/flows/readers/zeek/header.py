r"""What the lines that begin with `#` say of a Zeek log, and where in the log they begin to say something else.

The header lines and their meaning: https://docs.zeek.org/en/master/log-formats.html. Logs that were joined into one
file have a header each; where one differs from that above it, the file is cut, and each block is read by its own.
A separator of several bytes (`\x7c\x7c`) is first replaced with a character that the log does not have.
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
"""No sensor changes its columns so often, and every block costs a file and a reading."""
SEPARATOR = re.compile(r"#separator[ \t](.*)")
SEPARATOR_PART = re.compile(r"\\x[0-9A-Fa-f]{2}|\\t|[^\\]")
MAX_SEPARATOR_BYTES = 16
ESCAPED = re.compile(rb"(?<!#separator[ \t])\\x")
COMMENT = re.compile(rb"\n#[^\n]*")


@dataclass(frozen=True)
class Header:
    """A header.

    Attributes:
        fields: The columns' names, in order.
        separator: What stands between two fields.
        unset: What a field has that the sensor left unset.
        empty: What a field has that is empty.
    """

    fields: Sequence[str]
    separator: str = "\t"
    unset: str = "-"
    empty: str = "(empty)"


@dataclass(frozen=True)
class Block:
    r"""A part of a log that has one header.

    Attributes:
        log: The part as a file of its own, or the whole file where its header never changes.
        header: How to read it.
        escaped: Whether some value may have a character that is written as `\xHH`.
        even: Whether its records are known to have as many separators as the header on average, so that none has more
            where none has fewer.
        comments: How many comments it has; a log that is cut has all of its comments in the first block.
    """

    log: StagedLog
    header: Header
    escaped: bool
    even: bool
    comments: int


def blocks(log: StagedLog) -> list[Block]:
    """Cut a log where its header changes; the parts lie beside the log's copy.

    Raises:
        UnreadableLogError: The first header is missing, or does not stand above all records; a header has no usable
            `#separator`; or there are over 1,000 parts.
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
        logs = list(_cut(log, file, [place for place, _ in cuts])) if cuts else [log]
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
    """Read header lines; what they do not say is as it was above."""
    # Of headers with no record between them it is the last that counts.
    declared = next((found[1] for line in reversed(lines) if (found := SEPARATOR.match(line))), None)
    separator = above.separator if declared is None else _separator(log, declared)
    said = dict(line[1:].split(separator, 1) for line in lines if separator in line)
    fields = said["fields"].split(separator) if "fields" in said else above.fields
    return Header(fields, separator, said.get("unset_field", above.unset), said.get("empty_field", above.empty))


class _LongSeparatorError(Exception):
    """A header's separator is not one ASCII character."""


def _separator(log: StagedLog, declared: str) -> str:
    separator = _separator_bytes(declared)
    if separator is None:
        # The separator is not quoted: in a damaged file it may be anything, an address too.
        raise UnreadableLogError(
            f"{log.name}: its #separator is empty, too long, or not written as characters and \\xHH",
            "Set one such as \\x09 in Zeek",
        )
    if len(separator) > 1 or not separator.isascii():
        raise _LongSeparatorError
    return separator.decode()


def _separator_bytes(declared: str) -> bytes | None:
    r"""Return the bytes of a separator in which some may be written as `\xHH` or `\t`, or None if it is not usable."""
    text = declared.strip()
    parts = SEPARATOR_PART.findall(text)
    # U+FFFD stands for bytes that are not UTF-8.
    if not parts or "".join(parts) != text or "\ufffd" in text:
        return None
    separator = b"".join(_separator_byte(part) for part in parts)
    return None if len(separator) > MAX_SEPARATOR_BYTES or set(separator) & set(b"\r\n") else separator


def _separator_byte(part: str) -> bytes:
    if part.startswith(r"\x"):
        return bytes.fromhex(part[2:])
    return b"\t" if part == r"\t" else part.encode()


def _with_short_separators(log: StagedLog) -> StagedLog:
    """Write a copy of a log in which one character that the log does not have replaces each longer separator."""
    sign = next((sign for sign in CONTROL_CHARACTERS if not holds(log, sign)), None)
    if sign is None:
        raise UnreadableLogError(f"{log.name} has control characters of every kind", "Remove it: it is not a flow log")
    copy = log.path.with_name(f"{log.path.name}.separators")
    with log.path.open("rb") as file, copy.open("wb") as to:
        separator = b""
        for line in file:
            declared = SEPARATOR.match(line.removeprefix(BOM).decode("utf-8", "replace").rstrip("\r\n"))
            if declared is None:
                to.write(line.replace(separator, sign.encode()) if separator else line)
                continue
            found = _separator_bytes(declared[1])
            is_long = found is not None and (len(found) > 1 or not found.isascii())
            separator = found if found is not None and is_long else b""
            to.write(f"#separator \\x{ord(sign):02x}\n".encode() if is_long else line)
    return replace(log, path=copy)


@dataclass
class _Survey:
    """What one pass over a log finds.

    Attributes:
        marks: The line ends before `#fields`.
        escaped: Whether a character is escaped.
        records: How many lines are no comments.
        separators: How many separators those have. Of a comment that is cut by chunks, some may be counted too.
        comments: How many lines are comments.
    """

    marks: list[int] = field(default_factory=list)
    escaped: bool = False
    records: int = 0
    separators: int = 0
    comments: int = 0


def _survey(file: BinaryIO, separator: bytes) -> _Survey:
    place = len(BOM) if file.read(len(BOM)) == BOM else file.seek(0)
    # The first line has no end before it.
    found, window = _Survey(), b"\n"
    while chunk := file.read(CHUNK_BYTES):
        window = window[1 - len(MARK) :] + chunk
        place += len(chunk)
        signs = np.frombuffer(chunk, np.uint8)
        found.records += int(np.count_nonzero(signs == ord("\n")))
        found.separators += int(np.count_nonzero(signs == ord(separator)))
        # Records seldom have either character, and one is found far faster than many.
        found.escaped = found.escaped or (b"\\" in window and ESCAPED.search(window) is not None)
        if b"#" in window:
            found.marks += [place - len(window) + mark.start() for mark in re.finditer(MARK, window)]
            # One that begins with the last byte of the chunk before has not been met there.
            comments = [mark[0] for mark in COMMENT.finditer(window, len(window) - len(chunk) - 1)]
            found.comments += len(comments)
            found.records -= len(comments)
            found.separators -= sum(comment.count(separator) for comment in comments)
    found.records += not window.endswith(b"\n")
    return found


def _changes(log: StagedLog, file: BinaryIO, marks: Sequence[int], first: Header) -> Iterator[tuple[int, Header]]:
    """Give where another header than that above begins, and what it says."""
    header = first
    for mark in marks:
        begin = _begin(file, mark + 1)
        file.seek(begin)
        lines = _comments(_lines(file.read(HEAD_BYTES)))
        found = _parse(log, lines, header)
        if begin and found != header:
            header = found
            yield begin, header


def _begin(file: BinaryIO, place: int) -> int:
    """Give where the first of the header lines begins that stand together above a place."""
    start = max(place - HEAD_BYTES, 0)
    file.seek(start)
    above = file.read(place - start).removesuffix(b"\n").split(b"\n")
    header = list(takewhile(lambda line: line.removeprefix(BOM).startswith(b"#"), reversed(above)))
    return place - sum(len(line) + 1 for line in header)


def _lines(text: bytes) -> list[str]:
    return [line.removesuffix("\r") for line in text.decode("utf-8", "replace").split("\n")]


def _cut(log: StagedLog, file: BinaryIO, cuts: Sequence[int]) -> Iterator[StagedLog]:
    """Write the parts, each of which keeps the numbers of its lines."""
    line = log.first_line
    file.seek(0)
    for number, (begin, end) in enumerate(zip([0, *cuts], [*cuts, None], strict=True)):
        part = log.path.with_name(f"{log.path.name}.{number}")
        lines = _copy(file, part, None if end is None else end - begin)
        yield replace(log, path=part, first_line=line)
        line += lines


def _copy(file: BinaryIO, to: Path, size: int | None) -> int:
    """Copy so many bytes, or all that are left, and count their lines."""
    lines, last = 0, b"\n"
    with to.open("wb") as copy:
        while chunk := file.read(CHUNK_BYTES if size is None else min(size, CHUNK_BYTES)):
            lines, last = lines + chunk.count(b"\n"), chunk[-1:]
            size = None if size is None else size - len(chunk)
            copy.write(chunk)
    return lines + (last != b"\n")
