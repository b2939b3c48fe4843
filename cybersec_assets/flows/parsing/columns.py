"""Which columns of a source make each raw column, as FLOWS_COLUMNS says it.

    columns  = entry {"," entry}
    entry    = raw "=" term {"+" term}
    raw      = a column of the raw layer
    term     = name | '"' name '"' | "#" number | "'" constant "'"

- A name is a source column's. In quotes it may hold anything, a quote doubled; it needs them where it has a comma, a
  plus, an equals sign or a quote, begins with `#`, or has a blank at an end.
- `#1`, `#2`, … are the columns of a CSV without a header line, from the left. They and names exclude each other.
- A constant is every record's value, for sources that lack one; a quote in it is doubled. A time may be a date alone.
- A sum is for `duration`, `bytes`, and what ends in `_bytes` or `_packets`: of the terms that a record has.

Blanks beside these signs mean nothing. What belongs elsewhere: how values are read (`fields`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from cybersec_assets.errors import SettingsError
from cybersec_assets.flows.schema import RAW, VOLUMES

TERM = r"""(?:"(?:[^"]|"")+"|'(?:[^']|'')*'|[^\s,+="'](?:[^,+="']*[^\s,+="'])?)"""
ENTRY = re.compile(rf"\s*([^\s,+=\"']+)\s*=\s*({TERM}(?:\s*\+\s*{TERM})*)\s*(,|$)")
SHOWN = 60
"""How much of a part that is no entry is shown."""


@dataclass(frozen=True)
class Named:
    """A source's column, by its name."""

    name: str


@dataclass(frozen=True)
class Numbered:
    """A source's column, by its number from 1."""

    number: int

    @property
    def name(self) -> str:
        """What such a column is called where there are no names."""
        return f"#{self.number}"


@dataclass(frozen=True)
class Constant:
    """The same text for every record; the empty one means unset."""

    text: str


Term = Named | Numbered | Constant
Columns = Mapping[str, tuple[Term, ...]]
"""The terms of each raw column that is mapped."""


def parse_columns(text: str) -> Columns:
    """Read FLOWS_COLUMNS.

    Raises:
        SettingsError: It does not follow the grammar.
    """
    columns: dict[str, tuple[Term, ...]] = {}
    at, more = 0, ","
    while more:
        entry = ENTRY.match(text, at)
        if not entry:
            part = text[at:].split(",", maxsplit=1)[0].strip()[:SHOWN]
            raise _bad(f"{part!r} is not raw=term or raw=term+term", """Quote names that hold , + = " or '""")
        raw, terms, more = entry.groups()
        _require_raw(raw, columns)
        columns[raw] = _terms(raw, terms)
        at = entry.end()
    _require_one_kind(columns)
    return columns


def is_headless(columns: Columns) -> bool:
    """Tell whether a mapping is for files whose first line is a record."""
    return any(isinstance(term, Numbered) for terms in columns.values() for term in terms)


def _require_raw(raw: str, seen: Columns) -> None:
    if raw not in RAW:
        raise _bad(f"{raw!r} is no column of the raw layer", f"Use {', '.join(RAW)}")
    if raw in seen:
        raise _bad(f"{raw!r} is there twice", "Say once what it is made of")


def _terms(raw: str, text: str) -> tuple[Term, ...]:
    terms = tuple(_term(written) for written in re.findall(TERM, text))
    if len(terms) > 1 and raw not in VOLUMES:
        raise _bad(f"{raw}={text} is a sum of what is no number", f"Add up only {', '.join(VOLUMES)}")
    if len(set(terms)) < len(terms):
        raise _bad(f"{raw}={text} has a term twice", "Name each column once in a sum")
    return terms


def _term(written: str) -> Term:
    if written.startswith('"'):
        return Named(written[1:-1].replace('""', '"'))
    if written.startswith("'"):
        return Constant(written[1:-1].replace("''", "'"))
    if not written.startswith("#"):
        return Named(written)
    if not re.fullmatch(r"#[1-9][0-9]{0,5}", written):
        raise _bad(f"{written!r} is no column's number", 'Use #1, #2, …, or quote a name that begins so: "#…"')
    return Numbered(int(written[1:]))


def _require_one_kind(columns: Columns) -> None:
    names = [term.name for terms in columns.values() for term in terms if isinstance(term, Named)]
    if names and is_headless(columns):
        raise _bad(f"{names[0]!r} is a name beside numbers", "Use numbers alone where no line is a header, else names")


def _bad(problem: str, remedy: str) -> SettingsError:
    return SettingsError(f"FLOWS_COLUMNS: {problem}", remedy)
