"""Files for the fuzzers: good records of a format, and what may happen to a file's bytes on their way."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

TOKENS = [
    *(b"", b" ", b"\t", b",", b";", b'"', b"'", b"\\", b"#", b"-", b"+", b".", b":", b"%", b"{", b"}", b"[", b"]"),
    *(b"\x00", b"\x01", b"\r", b"\xff", b"\xc3", b"\xef\xbb\xbf", b"\x80", "é".encode(), b"null", b"NaN", b"inf"),
    *(b"-1", b"0", b"1e308", b"1e400", b"9223372036854775807", b"9223372036854775808", b"-9223372036854775809"),
    *(b"99999999999999999999999", b"1.0", b"0x10", b"2024-13-45T99:99:99Z", b"1_000", b"#fields", b"Summary"),
    *(b'{"a":1}', b'"a":1,', b"fe80::1%eth0", b"300.1.1.1", b"true", b"\\x09", b"(empty)", b"x" * 300),
]
"""What is put into a file: signs that formats make something of, and values at the edge of what a column holds."""


@dataclass(frozen=True)
class Sample:
    """A good file of a format.

    Attributes:
        head: What comes before its records.
        records: Its records, a line each.
        count: Tells in plain Python how many records lines are, whatever is damaged in them.
    """

    head: bytes
    records: Sequence[bytes]
    count: Callable[[Sequence[bytes]], int]


def _edit(line: bytes, change: random.Random) -> bytes:
    """Damage a line somewhere, without ending it."""
    at, until = sorted(change.choices(range(len(line) + 1), k=2))
    token = change.choice(TOKENS)
    return change.choice(
        [
            line[:at] + token + line[at:],
            line[:at] + token + line[at + len(token) :],
            line[:at] + line[until:],
            line[:at] + line[at:until] * 2 + line[until:],
            line[:at],
            _swap_fields(line, change),
        ]
    )


def _swap_fields(line: bytes, change: random.Random) -> bytes:
    """Put a token where a whole value stood."""
    separator = change.choice([b"\t", b",", b" ", b'"', b":"])
    fields = line.split(separator)
    fields[change.randrange(len(fields))] = change.choice(TOKENS)
    return separator.join(fields)


def lines_of(sample: Sample) -> st.SearchStrategy[list[bytes]]:
    """Draw records of which some are damaged, each still on a line of its own."""

    def damage(seed: int, number: int) -> list[bytes]:
        change = random.Random(seed)
        lines = change.choices(sample.records, k=number)
        for _ in range(change.randrange(4)):
            place = change.randrange(len(lines))
            lines[place] = _edit(lines[place], change)
        return [line.replace(b"\n", b"") for line in lines]

    return st.builds(damage, st.integers(0, 2**64 - 1), st.integers(1, 12))


def files_of(sample: Sample) -> st.SearchStrategy[bytes]:
    """Draw a file of which any part may be damaged, its head and its line ends too."""

    def damage(lines: list[bytes], seed: int) -> bytes:
        change = random.Random(seed)
        content = sample.head + b"".join(line + b"\n" for line in lines)
        for _ in range(change.randrange(1, 4)):
            content = _edit(content, change)
        return content

    return st.builds(damage, lines_of(sample), st.integers(0, 2**64 - 1))
