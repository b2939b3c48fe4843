"""Read the columns of a CSV or Parquet file as columns of the raw layer.

`mapping` parses FLOWS_COLUMNS, and `readers` reads the rows of a file.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import polars as pl

from cybersec_assets.errors import SettingsError, UnreadableLogError, quoted
from cybersec_assets.flows.parsing.labels import label
from cybersec_assets.flows.parsing.mapping import (
    Column,
    Columns,
    Layout,
    Place,
    Position,
    Source,
    Span,
    Sum,
    Value,
    places,
    places_of,
)
from cybersec_assets.flows.parsing.presets import AWS_VPC_PARQUET, presets
from cybersec_assets.flows.parsing.protocols import PORTED, protocol
from cybersec_assets.flows.parsing.records import assemble, require_columns
from cybersec_assets.flows.parsing.times import parse_time, plausible
from cybersec_assets.flows.parsing.units import (
    INTEGER,
    NANOSECONDS,
    PER_SECOND,
    epoch_nanoseconds,
    instant,
    parse_day_first,
    seconds,
)
from cybersec_assets.flows.parsing.values import Field, host
from cybersec_assets.flows.schema import PORTS, RAW_SCHEMA, REQUIRED, TIMESTAMP, VOLUMES
from cybersec_assets.flows.staging import StagedLog, is_text

DATE = re.compile(r"\d{4}-\d\d-\d\d")
PLAIN = re.compile(r"[\w#][\w#. /()-]{0,79}", re.ASCII)
ANYWHERE = pl.LazyFrame({"file": [""], "line": [0]})
NUMBER = re.compile(r"\s*(\d+\.?\d*([eE][+-]?\d+)?)?\s*$")
EXPONENT = r"^\d\.\d+E\d{1,2}$"
EXACT = 2**53
"""Floats represent every whole number below this one exactly."""
NO_FLOW_UNSET = ("src_ip", "dst_ip", "protocol", "bytes")
MIN_AWS_COLUMNS = 3
"""How many of AWS's own column names identify a Parquet file of AWS."""


@dataclass(frozen=True)
class Cell:
    """A column of a file.

    Attributes:
        value: The values, null where they are unset.
        dtype: The type of the values.
    """

    value: pl.Expr
    dtype: pl.DataType

    @property
    def text(self) -> pl.Expr:
        """Return the values as text. Times become the numbers that are stored."""
        # Polars panics when it formats a time that is out of range.
        stored = self.value.to_physical() if isinstance(self.dtype, pl.Datetime | pl.Duration) else self.value
        return stored.cast(pl.String, strict=False)

    def without(self, unset: str) -> "Cell":
        """Return the column with null in place of the text of an unset value."""
        if not unset or self.dtype != pl.String:
            return self
        return Cell(pl.when(self.value.str.strip_chars(" ") != unset).then(self.value), self.dtype)

    def without_exponents(self) -> "Cell":
        """Return the column with whole numbers such as `1.291E7`, as Java writes large floats, written out."""
        if self.dtype != pl.String:
            return self
        number = pl.when(self.value.str.contains(EXPONENT)).then(self.value).cast(pl.Float64, strict=False)
        whole = pl.when(number == number.round(), number < EXACT).then(number.cast(pl.Int64, strict=False))
        return Cell(pl.coalesce(whole.cast(pl.String), self.value), self.dtype)


@dataclass(frozen=True)
class Table:
    """The mapping of one file.

    Attributes:
        columns: The mapping that is used for the file.
        sources: The source of each raw column.
        names: The names of the columns in order, `#1`, `#2`, … if there is no header.
        is_headless: Whether the file has no header.
    """

    columns: Columns
    sources: Mapping[str, Source]
    names: Sequence[str]
    is_headless: bool

    def fields(self, cell: Callable[[int], Cell]) -> dict[str, Field]:
        """Return the field of each raw column.

        Args:
            cell: Returns a column of the file by its index.
        """

        def cell_of(raw: str, place: Place) -> Cell:
            found = self._cell(place, cell)
            return found.without_exponents() if self.columns.preset and RAW_SCHEMA[raw].is_integer() else found

        fields = {raw: _field(raw, source, partial(cell_of, raw)) for raw, source in self.sources.items()}
        if self.columns.preset:
            # Sensors put the type and code of ICMP, for example, into the port columns.
            has_ports = fields["protocol"].value.is_in(list(PORTED))
            for raw in fields.keys() & set(PORTS):
                field = fields[raw]
                fields[raw] = Field(pl.when(has_ports).then(field.text), pl.when(has_ports).then(field.value))
        return fields

    def no_flow(self, cell: Callable[[int], Cell]) -> pl.Expr | None:
        """Return the status of records without a flow, null for flows, or None if every record is a flow.

        Without a status column, a record without a flow is one in which all columns of a flow are unset.
        """
        if not self.columns.no_flow:
            return None
        for name in self.columns.status:
            if name in self.names:
                status = cell(self.names.index(name)).text.str.to_uppercase()
                return pl.when(status.is_in(list(self.columns.no_flow))).then(status)
        used = [place for raw in NO_FLOW_UNSET for place in places(self.sources[raw])]
        is_empty = pl.all_horizontal(self._cell(place, cell).value.is_null() for place in used)
        return pl.when(is_empty).then(pl.lit(self.columns.no_flow[0]))

    def place(self, column: Place) -> int:
        """Return the index of a column in the file."""
        (name,) = _matches(self.names, column, self.columns)
        return self.names.index(name)

    def _cell(self, place: Place, cell: Callable[[int], Cell]) -> Cell:
        return cell(self.place(place)).without(self.columns.unset)


def table_of(log: StagedLog, first: Sequence[str], columns: Columns | None) -> Table:
    """Return the mapping of a file. Columns with the names of the raw layer are used if no others are mapped.

    Args:
        log: The file.
        first: The names of the columns, or the fields of the first line.
        columns: The mapping of the user; None for columns with the names of the raw layer.

    Raises:
        UnreadableLogError: The file has too many columns, or a needed column is missing or ambiguous.
    """
    require_columns(log, first, ())
    columns = columns or _default_columns(log, first)
    layout = _layout(log, columns, first)
    if layout.is_headless and not is_text(log.head):
        raise UnreadableLogError(
            f"{log.name} is Parquet, whose columns have names", "Use names in FLOWS_COLUMNS, not positions"
        )
    names = [f"#{number}" for number, _ in enumerate(first, 1)] if layout.is_headless else list(first)
    sources = dict(layout.needed)
    for raw, source in layout.optional:
        if all(_matches(names, place, columns) for place in places(source)):
            sources.setdefault(raw, source)
    for raw in RAW_SCHEMA:
        if raw in names:
            sources.setdefault(raw, Column(column=raw))
    for place in places_of(sources):
        _require_once(log, _matches(names, place, columns), place)
    if missing := sorted(set(REQUIRED) - set(sources)):
        raise UnreadableLogError(
            f"{log.name} has no column {', '.join(missing)}",
            "Add it to the log, remove the file, or map it in FLOWS_COLUMNS",
        )
    return Table(columns, sources, names, layout.is_headless)


def _matches(names: Sequence[str], place: Place, columns: Columns) -> list[str]:
    """Return the names in a file that match a column.

    Blanks around a name are ignored. Presets also ignore case, because copies of public data sets differ in it.
    """
    if place.name in names:
        return [name for name in names if name == place.name]
    wanted = place.name.strip()
    found = [name for name in names if name.strip() == wanted]
    if not found and columns.preset:
        found = [name for name in names if name.strip().casefold() == wanted.casefold()]
    return found


def _require_once(log: StagedLog, found: Sequence[str], place: Place) -> None:
    if not found:
        raise UnreadableLogError(
            f"{log.name} has no column {_named(place)}, which FLOWS_COLUMNS names",
            "Correct FLOWS_COLUMNS, or remove the file",
        )
    if len(found) > 1:
        raise UnreadableLogError(f"{log.name} has more than one column {_named(place)}", "Rename all of them but one")


def _named(place: Place) -> str:
    """Return the name of a column for a message, quoted unless it is short and plain."""
    return place.name if PLAIN.fullmatch(place.name) else quoted(place.name)


def _default_columns(log: StagedLog, names: Sequence[str]) -> Columns:
    """Return the mapping of a file that the user has not mapped: the preset of AWS, or an empty one."""
    aws = presets()[AWS_VPC_PARQUET]
    known = {place.name for place in places_of(aws.layouts[0].needed)} - set(RAW_SCHEMA)
    if not is_text(log.head) and len(known & set(names)) >= MIN_AWS_COLUMNS and not set(REQUIRED) <= set(names):
        return aws
    return Columns([Layout({})])


def _layout(log: StagedLog, columns: Columns, first: Sequence[str]) -> Layout:
    """Return the layout of a file. A mapping of the user has one layout, whose columns are checked later."""
    if columns.preset is None:
        return columns.layouts[0]
    candidates = []
    for layout in columns.layouts:
        missing = _missing(layout, first, columns)
        unexpected = any(_matches(first, Column(column=name), columns) for name in layout.absent)
        if not missing and not unexpected:
            return layout
        candidates.append((unexpected, len(missing), missing, layout))
    _, _, missing, layout = min(candidates, key=lambda candidate: candidate[:3])
    raws = [raw for raw, source in layout.needed.items() if {place.name for place in places(source)} & set(missing)]
    beside = "".join(f', "{raw}": SOURCE' for raw in raws)
    example = f', or map it beside the preset: {{"preset": "{columns.preset}"{beside}}}' if raws else ""
    raise UnreadableLogError(
        f"{log.name} has no column {', '.join(missing)}, which the preset {columns.preset} needs",
        f"Correct FLOWS_COLUMNS{example}",
    )


def _missing(layout: Layout, first: Sequence[str], columns: Columns) -> list[str]:
    """Return the columns of a layout that a file does not have."""
    needed = {place.name: place for place in places_of(layout.needed)}
    if not layout.is_headless:
        return [name for name, place in needed.items() if not _matches(first, place, columns)]
    has_width = not layout.widths or len(first) in layout.widths
    return [] if has_width and _begins_with_a_record(layout, first) else list(needed)


def _begins_with_a_record(layout: Layout, first: Sequence[str]) -> bool:
    """Return whether the first line has numbers, rather than names, in the volume columns of a layout."""
    volumes = {raw: source for raw, source in layout.needed.items() if raw in VOLUMES}
    positions = [place.position for place in places_of(volumes) if isinstance(place, Position)]
    return all(position <= len(first) and NUMBER.match(first[position - 1]) for position in positions)


def _field(raw: str, source: Source, cell: Callable[[Place], Cell]) -> Field:
    if isinstance(source, Sum):
        return total(raw, [_field(raw, term, cell) for term in source.sum])
    if isinstance(source, Value):
        return constant_field(raw, source)
    if isinstance(source, Span):
        return _span(_nanoseconds(cell(source.start), source.start), _nanoseconds(cell(source.end), source.end))
    return _column(raw, source, cell(source))


def _column(raw: str, source: Place, cell: Cell) -> Field:
    if raw == "timestamp":
        return _time(cell, source)
    if raw == "duration":
        return _duration(cell, source)
    if RAW_SCHEMA[raw].is_numeric() and cell.dtype.is_numeric():
        return Field(cell.text, _number(cell.value, cell.dtype, RAW_SCHEMA[raw]))
    if RAW_SCHEMA[raw].is_numeric() and cell.dtype.is_temporal():
        return Field(cell.text, pl.lit(None, RAW_SCHEMA[raw]))
    return text_field(raw, cell.text)


def _number(column: pl.Expr, dtype: pl.DataType, target: pl.DataType) -> pl.Expr:
    """Return a number as another type. A fraction becomes null if the type is whole."""
    if target.is_integer() and not dtype.is_integer():
        column = pl.when(column == column.round()).then(column)
    return column.cast(target, strict=False)


def _duration(cell: Cell, source: Place) -> Field:
    """Return a duration in seconds. Parquet's duration type has its own unit."""
    if isinstance(cell.dtype, pl.Duration):
        return Field(cell.text, seconds(cell.value.to_physical(), cell.dtype.time_unit))
    number = cell.value if cell.dtype.is_numeric() else cell.text
    return Field(cell.text, seconds(number, source.unit or "s"))


def _time(cell: Cell, source: Place) -> Field:
    """Return a point in time. Parquet's time type has its own unit."""
    if isinstance(cell.dtype, pl.Datetime):
        zoned = cell.value if cell.dtype.time_zone else cell.value.dt.replace_time_zone("UTC")
        return Field(cell.text, plausible(zoned.cast(TIMESTAMP, strict=False)))
    if source.unit:
        return Field(cell.text, instant(epoch_nanoseconds(cell.text, source.unit)))
    return Field(cell.text, parse_day_first(cell.text) if source.day_first else parse_time(cell.text))


def _nanoseconds(cell: Cell, source: Place) -> Field:
    """Return a point in time as whole nanoseconds since 1970, exact if the source is."""
    time = _time(cell, source)
    coarse = time.value.to_physical().cast(pl.Int128) * 1_000
    if isinstance(cell.dtype, pl.Datetime):
        exact = cell.value.to_physical().cast(pl.Int128) * (NANOSECONDS // PER_SECOND[cell.dtype.time_unit])
    elif source.unit:
        exact = epoch_nanoseconds(cell.text, source.unit)
    else:
        exact = pl.when(cell.text.str.contains(INTEGER)).then(cell.text).cast(pl.Int128, strict=False)
    # A number without a unit was read as nanoseconds only if it agrees with the time.
    return Field(time.text, pl.when(exact // 1_000 == coarse // 1_000).then(exact).otherwise(coarse))


def _span(start: Field, end: Field) -> Field:
    """Return the seconds from a start to an end. Without an end the flow was still open, and the duration is unset."""
    text = pl.when(end.text.is_not_null()).then(pl.concat_str(start.text.fill_null(""), end.text, separator=" to "))
    return Field(text, seconds(end.value - start.value, "ns"))


def text_field(raw: str, text: pl.Expr) -> Field:
    """Parse the text of a raw column.

    Args:
        raw: The raw column.
        text: The text of the source, null where it is unset.
    """
    if raw == "timestamp":
        return Field(text, parse_time(text))
    if raw == "protocol":
        return protocol(text)
    if raw in {"label", "alerted"}:
        return label(text)
    if raw in {"src_ip", "dst_ip"}:
        return host(text)
    # Some tools write a count of 12 as "12.0".
    written = text.str.replace(r"\.0*$", "") if RAW_SCHEMA[raw].is_integer() else text
    return Field(text, written.cast(RAW_SCHEMA[raw], strict=False))


def constant_field(raw: str, constant: Value) -> Field:
    """Return the same value for every record. A date without a time is its midnight."""
    text = constant.value + "T00:00:00" * bool(raw == "timestamp" and DATE.fullmatch(constant.value))
    return text_field(raw, pl.lit(text or None, pl.String))


def total(raw: str, terms: Sequence[Field]) -> Field:
    """Return the sum of the known terms. An invalid term or an overflow makes the sum invalid.

    Args:
        raw: The raw column, one of VOLUMES.
        terms: The terms; a single one is returned unchanged.
    """
    if len(terms) == 1:
        return terms[0]
    known = pl.any_horizontal(term.text.is_not_null() for term in terms)
    text = pl.when(known).then(pl.concat_str([term.text for term in terms], separator="+", ignore_nulls=True))
    # A positive sum could hide a negative term.
    bad = pl.any_horizontal(term.text.is_not_null() & ~(term.value >= 0).fill_null(value=False) for term in terms)
    wide = pl.Int128 if RAW_SCHEMA[raw].is_integer() else pl.Float64
    value = pl.sum_horizontal(term.value.cast(wide) for term in terms).cast(RAW_SCHEMA[raw], strict=False)
    return Field(text, pl.when(known & ~bad).then(value))


def require_constants(columns: Columns) -> None:
    """Raise an error if a constant is not valid for its raw column.

    Raises:
        SettingsError: A `value` cannot be parsed.
    """
    for layout in columns.layouts:
        for raw, source in layout.needed.items():
            for term in source.sum if isinstance(source, Sum) else [source]:
                if isinstance(term, Value) and _is_invalid(raw, term):
                    raise SettingsError(
                        f"FLOWS_COLUMNS: {raw} cannot have the value {quoted(term.value)}",
                        "Correct it; write times as ISO 8601 or seconds since 1970",
                    )


def _is_invalid(raw: str, constant: Value) -> bool:
    records = assemble(ANYWHERE, {raw: constant_field(raw, constant)})
    return records.select("fault").collect().item() is not None
