"""Damaged files for the fuzz tests: good records of a format with random changes."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

TOKENS = [
    *(b"", b" ", b"\t", b",", b";", b'"', b"'", b"\\", b"#", b"-", b"+", b".", b":", b"%", b"{", b"}", b"[", b"]"),
    *(b"\x00", b"\x01", b"\r", b"\xff", b"\xc3", b"\xef\xbb\xbf", b"\x80", "é".encode(), b"null", b"NaN", b"inf"),
    *(b"-1", b"0", b"1e308", b"1e400", b"9223372036854775807", b"9223372036854775808", b"-9223372036854775809"),
    *(b"99999999999999999999999", b"1.0", b"0x10", b"2024-13-45T99:99:99Z", b"1_000", b"#fields", b"Summary"),
    *(b'{"a":1}', b'"a":1,', b"fe80::1%eth0", b"300.1.1.1", b"true", b"\\x09", b"(empty)", b"x" * 300),
]
"""Insertions: characters with a meaning in some format, and values at the limits of a column."""


@dataclass(frozen=True)
class Sample:
    """A good file of a format.

    Attributes:
        fmt: The name of the reader.
        head: The bytes before the records, or the whole file for a format without lines.
        records: Records and other lines of the format.
        count: Counts the records among damaged lines in plain Python; it returns None if they change the head. None
            for a format without lines, which loses the whole file when damaged.
    """

    fmt: str
    head: bytes
    records: Sequence[bytes]
    count: Callable[[Sequence[bytes]], int | None] | None


def _edit(line: bytes, change: random.Random) -> bytes:
    """Damage a line, without adding a line end."""
    at, until = sorted(change.choices(range(len(line) + 1), k=2))
    token = change.choice(TOKENS)
    return change.choice(
        [
            line[:at] + token + line[at:],
            line[:at] + token + line[at + len(token) :],
            line[:at] + line[until:],
            line[:at] + line[at:until] * 2 + line[until:],
            line[:at],
            line[:at] + change.randbytes(1) + line[at + 1 :],
            _swap_fields(line, change),
            _swap_fields(line, change),
        ]
    )


def _swap_fields(line: bytes, change: random.Random) -> bytes:
    """Replace a whole value with a token."""
    separator = change.choice([b"\t", b",", b" ", b'"', b":"])
    fields = line.split(separator)
    fields[change.randrange(len(fields))] = change.choice(TOKENS)
    return separator.join(fields)


def damaged_lines(sample: Sample, seed: int) -> list[bytes]:
    """Return lines of which up to four are damaged; an empty list for a format without lines."""
    change = random.Random(seed)
    lines = change.choices(sample.records, k=change.randint(1, 12)) if sample.records else []
    for _ in range(change.randint(1, 4) if lines else 0):
        place = change.randrange(len(lines))
        lines[place] = _edit(lines[place], change).replace(b"\n", b"")
    return lines


def damaged_file(sample: Sample, seed: int) -> bytes:
    """Return a file in which any part may be damaged, including its head and its line ends."""
    change = random.Random(seed)
    content = sample.head + b"".join(line + b"\n" for line in damaged_lines(sample, seed))
    for _ in range(change.randrange(1, 4)):
        content = _edit(content, change)
    return content


def with_long_value(sample: Sample, seed: int) -> bytes:
    """Return a file in which one value is up to 200,000 characters long."""
    change = random.Random(seed)
    lines = list(sample.records)
    place = change.randrange(len(lines))
    at = change.randrange(len(lines[place]) + 1)
    value = change.choice([b"\x00", b"A", b"\x1b[31m", "\u202e".encode(), b"9", b"\\", b"'", b"\xff", "é".encode()])
    lines[place] = lines[place][:at] + value * change.choice([100, 5_000, 40_000]) + lines[place][at:]
    return sample.head + b"".join(line + b"\n" for line in lines)
