"""Parse FLOWS_COLUMNS, the mapping of the columns of a CSV or Parquet file to the columns of the raw layer.

The value is the name of a preset, a JSON document, a file that contains one, or the older text form (`mapping_text`).
A document maps columns of the raw layer to sources:

    {"timestamp": "ts", "bytes": {"sum": ["sent", "received"]}, "duration": {"column": "dur", "unit": "ms"}}

Its key `preset` names a preset; the other keys replace single columns of it. docs/columns.md describes the language.
`mapped_fields` reads the values of a source.
"""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import PydanticCustomError

from cybersec_assets.errors import SettingsError, quoted
from cybersec_assets.flows.parsing.mapping_text import document_of_text, is_text_form
from cybersec_assets.flows.schema import RAW_SCHEMA, VOLUMES
from cybersec_assets.redaction import contains_secret

MAX_FILE_BYTES = 1 << 20
PRESET = "preset"
DATE = "{date}"
"""The placeholder for the day of the partition in a value of `timestamp`."""
FORMS = (
    'a column\'s name, {"column": NAME, "unit": "s|ms|us|ns"}, {"sum": [NAME, …]}, {"start": NAME, "end": NAME}, '
    '{"position": N} or {"value": TEXT}'
)

Unit = Literal["s", "ms", "us", "ns"]


def _encodable(text: str) -> str:
    """Reject lone surrogates, which JSON can express and UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise PydanticCustomError("text", "is not valid Unicode text") from None
    return text


Text = Annotated[str, AfterValidator(_encodable)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Column(_Part):
    """A column by name. `day_first` reads dates such as 03/07/2017 as 3 July."""

    column: Annotated[str, Field(min_length=1), AfterValidator(_encodable)]
    unit: Unit | None = None
    day_first: bool = False

    @property
    def name(self) -> str:
        """Return the name of the column."""
        return self.column


class Position(_Part):
    """A column of a CSV file without a header, by its number from 1."""

    position: Annotated[int, Field(ge=1, le=1_000)]
    unit: Unit | None = None
    day_first: bool = False

    @property
    def name(self) -> str:
        """Return the name that the reader uses: `#1`, `#2`, …."""
        return f"#{self.position}"


class Value(_Part):
    """The same text for every record. An empty text is an unset value."""

    value: Text


def _as_object(source: object) -> object:
    return {"column": source} if isinstance(source, str) else source


def _form(source: object) -> str | None:
    """Return the tag of a source's form. The brackets distinguish tags from keys in pydantic's errors."""
    keys = source.model_dump() if isinstance(source, BaseModel) else source if isinstance(source, Mapping) else {}
    known = ("column", "position", "value", "sum", "start", "end")
    return next((f"<{'start' if key == 'end' else key}>" for key in known if key in keys), None)


_COLUMN = Annotated[Column, Tag("<column>")]
_POSITION = Annotated[Position, Tag("<position>")]
_VALUE = Annotated[Value, Tag("<value>")]
_CHOICE = Discriminator(
    _form, custom_error_type="form", custom_error_message="has an unknown form", custom_error_context=None
)
Place = Column | Position
Term = Column | Position | Value


class Sum(_Part):
    """The sum of several columns. Unset values are ignored."""

    sum: Annotated[
        tuple[Annotated[_COLUMN | _POSITION | _VALUE, _CHOICE, BeforeValidator(_as_object)], ...],
        Field(min_length=1, strict=False),
    ]


_PLACE = Annotated[_COLUMN | _POSITION, _CHOICE, BeforeValidator(_as_object)]


class Span(_Part):
    """A duration from a start to an end."""

    start: _PLACE
    end: _PLACE


Source = Column | Position | Value | Sum | Span
_SOURCES: TypeAdapter[dict[str, Source]] = TypeAdapter(
    dict[
        str,
        Annotated[
            _COLUMN | _POSITION | _VALUE | Annotated[Sum, Tag("<sum>")] | Annotated[Span, Tag("<start>")],
            _CHOICE,
            BeforeValidator(_as_object),
        ],
    ]
)


@dataclass(frozen=True)
class Layout:
    """One possible layout of a file.

    Attributes:
        needed: The source of each raw column that the file must have.
        optional: Raw columns and sources that are used if the file has them. The first source of a raw column wins.
        absent: Columns that a file of this layout must not have.
        widths: How many columns a file without a header may have; empty for any number.
    """

    needed: Mapping[str, Source]
    optional: Sequence[tuple[str, Source]] = ()
    absent: Sequence[str] = ()
    widths: Sequence[int] = ()

    @property
    def is_headless(self) -> bool:
        """Return whether the file has no header, so that its first line is a record."""
        return any(isinstance(place, Position) for place in places_of(self.needed))

    def replaced(self, sources: Mapping[str, Source]) -> "Layout":
        """Return the layout with other sources for some raw columns."""
        optional = [(raw, source) for raw, source in self.optional if raw not in sources]
        return replace(self, needed={**self.needed, **sources}, optional=optional)


@dataclass(frozen=True)
class Columns:
    """The parsed FLOWS_COLUMNS.

    Attributes:
        layouts: The possible layouts of a file; the first that fits is used.
        preset: The name of the preset, or None if the user mapped every column.
        unset: The text of an unset value.
        status: The possible names of the column that marks records without a flow.
        no_flow: The values of that column in records without a flow, which are skipped.
    """

    layouts: Sequence[Layout]
    preset: str | None = None
    unset: str = ""
    status: Sequence[str] = ()
    no_flow: Sequence[str] = ()

    def replaced(self, sources: Mapping[str, Source]) -> "Columns":
        """Return the columns with other sources for some raw columns, in each layout that allows them."""
        layouts = [layout.replaced(sources) for layout in self.layouts]
        fitting = [layout for layout in layouts if not _name_among_positions(layout.needed)]
        if not fitting:
            _require_one_kind(layouts[0].needed)
        return replace(self, layouts=fitting)

    def with_day(self, date: str, begin: str) -> "Columns":
        """Return the columns with `{date}` in the value of `timestamp` replaced by a day.

        Args:
            date: The day, as `YYYY-MM-DD`.
            begin: The first instant of the day in ISO 8601, which replaces a value that is only `{date}`.
        """
        return replace(self, layouts=[_with_day(layout, date, begin) for layout in self.layouts])


def _with_day(layout: Layout, date: str, begin: str) -> Layout:
    time = layout.needed.get("timestamp")
    if not isinstance(time, Value):
        return layout
    text = begin if time.value == DATE else time.value.replace(DATE, date)
    return replace(layout, needed={**layout.needed, "timestamp": Value(value=text)})


def places_of(sources: Mapping[str, Source]) -> Iterator[Place]:
    """Yield the file columns that several sources use."""
    for source in sources.values():
        yield from places(source)


def places(source: Source) -> Iterator[Place]:
    """Yield the file columns that a source uses."""
    if isinstance(source, Column | Position):
        yield source
    elif isinstance(source, Span):
        yield source.start
        yield source.end
    elif isinstance(source, Sum):
        yield from (term for term in source.sum if not isinstance(term, Value))


def sources_of(document: Mapping[str, Any]) -> dict[str, Source]:
    """Return the sources of a document without the key `preset`.

    Raises:
        SettingsError: A key is unknown, a value has the wrong type, or a source does not fit its raw column.
    """
    for raw in document:
        if raw not in RAW_SCHEMA:
            raise _error(f"{quoted(raw)} is not a column of the raw layer", f"Use {', '.join(RAW_SCHEMA)}")
    try:
        sources = _SOURCES.validate_python(document)
    except ValidationError as error:
        raise _error(_first_error(error), f"Use {FORMS}") from None
    for raw, source in sources.items():
        _require_fit(raw, source)
    return sources


def parse_columns(text: str, presets: Mapping[str, Columns]) -> tuple[Columns, str]:
    """Parse FLOWS_COLUMNS.

    Args:
        text: Its value.
        presets: Every preset by its name.

    Returns:
        The columns and their text, which is the content of a file rather than its name.

    Raises:
        SettingsError: The value has none of the four forms, or a document breaks the rules of the language.
    """
    plain = text.strip()
    if plain in presets:
        return presets[plain], plain
    if is_text_form(plain):
        return _columns(document_of_text(plain), presets), plain
    content = plain if plain.startswith(("{", "[")) else _content(plain, presets)
    return _columns(_document(content), presets), content


def _content(name: str, presets: Mapping[str, Columns]) -> str:
    try:
        file = Path(name)
        if file.is_file():
            with file.open("rb") as opened:
                content = opened.read(MAX_FILE_BYTES + 1)
            if len(content) > MAX_FILE_BYTES:
                raise _error(f"the file {quoted(name)} is larger than 1 MiB", "Name a file with the JSON document")
            if contains_secret(content):
                raise _error(
                    f"the file {quoted(name)} contains a secret of the environment", "Use a file without secrets"
                )
            return content.decode("utf-8-sig").strip()
        exists = file.exists()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise _error(f"the file {quoted(name)} cannot be read: {reason}", "Correct FLOWS_COLUMNS") from None
    if exists:
        raise _error(f"{quoted(name)} is not a regular file", "Name a file with the JSON document")
    raise _error(
        f"{quoted(name)} is not a preset, a JSON document or a file{_similar(name, presets)}",
        f'Use one of {", ".join(presets)}, a document such as {{"bytes": "octets"}}, or the path of a file with one',
    )


def _document(content: str) -> dict[str, Any]:
    try:
        document = json.loads(content, object_pairs_hook=_require_unique)
    except json.JSONDecodeError as error:
        # The text is not quoted, because it may come from a file that must not be shown.
        where = f"line {error.lineno} column {error.colno}"
        raise _error(f"not a valid JSON document: {error.msg} at {where}", "Correct the document") from None
    except (ValueError, RecursionError):
        raise _error(
            "not a valid JSON document: a number is too long or objects are nested too deeply", "Correct the document"
        ) from None
    if not isinstance(document, dict):
        raise _error("the JSON document is not an object", 'Write an object, as in {"bytes": "octets"}')
    return document


def _require_unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Reject duplicate keys, of which `json` would silently keep the last."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _error(f"the key {quoted(key)} appears twice", "Remove one of them")
        found[key] = value
    return found


def _columns(document: dict[str, Any], presets: Mapping[str, Columns]) -> Columns:
    name = document.pop(PRESET, None)
    sources = sources_of(document)
    _require_one_kind(sources)
    if name is None:
        if not sources:
            raise _error("the document names no column", f"Use {', '.join(RAW_SCHEMA)}")
        return Columns([Layout(sources)])
    if not isinstance(name, str) or name not in presets:
        raise _error(
            f"{quoted(name)} is not a preset{_similar(str(name), presets)}", f"Use one of {', '.join(presets)}"
        )
    return presets[name].replaced(sources)


def _similar(name: str, presets: Mapping[str, Columns]) -> str:
    close = difflib.get_close_matches(name[:80], presets, 1)
    return f" (did you mean {close[0]}?)" if close else ""


def _require_fit(raw: str, source: Source) -> None:
    """Reject a source that does not fit its raw column."""
    if isinstance(source, Span) and raw != "duration":
        raise _error(f"{raw} cannot have a start and an end", "Use start and end only for duration")
    if isinstance(source, Sum):
        if raw not in VOLUMES:
            raise _error(f"{raw} cannot be a sum", f"Use a sum only for {', '.join(VOLUMES)}")
        if len(set(source.sum)) < len(source.sum):
            raise _error(f"the sum of {raw} names a column twice", "Name each column of a sum once")
    is_time = raw == "timestamp" or isinstance(source, Span)
    for place in places(source):
        if place.unit and not is_time and raw != "duration":
            raise _error(f"{raw} cannot have a unit", "Use a unit only for timestamp and duration")
        if place.day_first and not is_time:
            raise _error(f"{raw} cannot have day_first", "Use day_first only for timestamp, start and end")


def _require_one_kind(sources: Mapping[str, Source]) -> None:
    if name := _name_among_positions(sources):
        raise _error(
            f"{quoted(name)} is a name, but other columns are positions",
            "Use positions for files without a header, otherwise names",
        )


def _name_among_positions(sources: Mapping[str, Source]) -> str | None:
    """Return a column that is given by name while others are given by position, or None."""
    named = [place.name for place in places_of(sources) if isinstance(place, Column)]
    return named[0] if named and any(isinstance(place, Position) for place in places_of(sources)) else None


def _first_error(error: ValidationError) -> str:
    """Return the first of pydantic's errors as one line with its location."""
    first = error.errors(include_url=False, include_input=False)[0]
    where = [str(part) for part in first["loc"] if not str(part).startswith("<")]
    message = "is not a known key here" if first["type"] == "extra_forbidden" else first["msg"]
    return f"{': '.join([where[0], *map(quoted, where[1:])])}: {message[:1].lower()}{message[1:]}"


def _error(problem: str, remedy: str) -> SettingsError:
    return SettingsError(f"FLOWS_COLUMNS: {problem}", remedy)
