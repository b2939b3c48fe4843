"""Read the columns of a CSV or Parquet file as columns of the raw layer.

What belongs elsewhere: what FLOWS_COLUMNS may say (`columns`), and how the rows of a file are read (`readers`).
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
from cybersec_assets.flows.schema import PORTS, RAW, REQUIRED, TIMESTAMP, VOLUMES
from cybersec_assets.flows.staging import StagedLog, is_text

DATE = re.compile(r"\d{4}-\d\d-\d\d")
PLAIN = re.compile(r"[\w#][\w#. /()-]{0,79}", re.ASCII)
ANYWHERE = pl.LazyFrame({"file": [""], "line": [0]})
NUMBER = re.compile(r"\s*(\d+\.?\d*([eE][+-]?\d+)?)?\s*$")
EXPONENT = r"^\d\.\d+E\d{1,2}$"
EXACT = 2**53
"""The first whole number that floats do not hold exactly with all its neighbours."""
NO_FLOW_LACKS = ("src_ip", "dst_ip", "protocol", "bytes")
RECOGNISED_BY = 3
"""How many names of its own make a Parquet file one of AWS."""


@dataclass(frozen=True)
class Cell:
    """A column of a file.

    Attributes:
        value: Its values, null where they are unset.
        dtype: Their type.
    """

    value: pl.Expr
    dtype: pl.DataType

    @property
    def text(self) -> pl.Expr:
        """Return the values as text; a time as the number that it is stored as."""
        # Polars panics where it writes a time beyond the calendar.
        stored = self.value.to_physical() if isinstance(self.dtype, pl.Datetime | pl.Duration) else self.value
        return stored.cast(pl.String, strict=False)

    def without(self, unset: str) -> "Cell":
        """Return the column with a text that stands for an unset value as null."""
        if not unset or self.dtype != pl.String:
            return self
        return Cell(pl.when(self.value.str.strip_chars(" ") != unset).then(self.value), self.dtype)

    def without_exponents(self) -> "Cell":
        """Return the column with whole numbers such as `1.291E7` written out, as Java writes a float of that size."""
        if self.dtype != pl.String:
            return self
        number = pl.when(self.value.str.contains(EXPONENT)).then(self.value).cast(pl.Float64, strict=False)
        whole = pl.when(number == number.round(), number < EXACT).then(number.cast(pl.Int64, strict=False))
        return Cell(pl.coalesce(whole.cast(pl.String), self.value), self.dtype)


@dataclass(frozen=True)
class Table:
    """What the columns of one file mean.

    Attributes:
        columns: The mapping that governs the file.
        sources: The source of each raw column.
        names: The names of its columns, in order: `#1`, `#2`, … where the first line is a record.
        is_headless: Whether the first line is a record.
    """

    columns: Columns
    sources: Mapping[str, Source]
    names: Sequence[str]
    is_headless: bool

    def fields(self, cell: Callable[[int], Cell]) -> dict[str, Field]:
        """Return the field of each raw column.

        Args:
            cell: Returns a column of the file by its place, counted from 0.
        """

        def cell_of(raw: str, place: Place) -> Cell:
            found = self._cell(place, cell)
            return found.without_exponents() if self.columns.preset and RAW[raw].is_integer() else found

        fields = {raw: _field(raw, source, partial(cell_of, raw)) for raw, source in self.sources.items()}
        if self.columns.preset:
            # ICMP's type and code, or what else a sensor writes there, is no port.
            has_ports = fields["protocol"].value.is_in(list(PORTED))
            for raw in fields.keys() & set(PORTS):
                field = fields[raw]
                fields[raw] = Field(pl.when(has_ports).then(field.text), pl.when(has_ports).then(field.value))
        return fields

    def no_flow(self, cell: Callable[[int], Cell]) -> pl.Expr | None:
        """Return the status of a record without a flow, null for a flow; None where every record has one.

        Without a status such a record is known by the lack of all that a flow has.
        """
        if not self.columns.no_flow:
            return None
        for name in self.columns.status:
            if name in self.names:
                status = cell(self.names.index(name)).text.str.to_uppercase()
                return pl.when(status.is_in(list(self.columns.no_flow))).then(status)
        had = [place for raw in NO_FLOW_LACKS for place in places(self.sources[raw])]
        is_empty = pl.all_horizontal(self._cell(place, cell).value.is_null() for place in had)
        return pl.when(is_empty).then(pl.lit(self.columns.no_flow[0]))

    def place(self, column: Place) -> int:
        """Return where a column is among the file's, counted from 0."""
        (name,) = _matches(self.names, column, self.columns)
        return self.names.index(name)

    def _cell(self, place: Place, cell: Callable[[int], Cell]) -> Cell:
        return cell(self.place(place)).without(self.columns.unset)


def table_of(log: StagedLog, first: Sequence[str], columns: Columns | None) -> Table:
    """Return what the columns of a file mean: what is mapped, and else the columns with the raw layer's own names.

    Args:
        log: The file.
        first: The names of its columns, or the fields of its first line.
        columns: The user's mapping; None for columns with the raw layer's names.

    Raises:
        UnreadableLogError: It has too many columns, lacks one, or has one twice that is needed.
    """
    require_columns(log, first, ())
    columns = columns or _own(log, first)
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
    for raw in RAW:
        if raw in names:
            sources.setdefault(raw, Column(column=raw))
    for place in places_of(sources):
        _require_once(log, _matches(names, place, columns), place)
    if missing := sorted(set(REQUIRED) - set(sources)):
        raise UnreadableLogError(
            f"{log.name} has no column {', '.join(missing)}",
            "Have the sensor write it, or take the file out, or say in FLOWS_COLUMNS what makes it",
        )
    return Table(columns, sources, names, layout.is_headless)


def _matches(names: Sequence[str], place: Place, columns: Columns) -> list[str]:
    """Return the names that a file has for a column.

    Blanks around a name do not count. Case does not count for a preset, as copies of public sets differ in it.
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
            "Correct FLOWS_COLUMNS, or take the file out",
        )
    if len(found) > 1:
        raise UnreadableLogError(f"{log.name} has more than one column {_named(place)}", "Rename all of them but one")


def _named(place: Place) -> str:
    """Return a column's name for a message: quoted, unless it is short and plain."""
    return place.name if PLAIN.fullmatch(place.name) else quoted(place.name)


def _own(log: StagedLog, names: Sequence[str]) -> Columns:
    """Return the mapping of a file for which the user has none: AWS's for the columns of AWS, or an empty one."""
    aws = presets()[AWS_VPC_PARQUET]
    known = {place.name for place in places_of(aws.layouts[0].needed)} - set(RAW)
    if not is_text(log.head) and len(known & set(names)) >= RECOGNISED_BY and not set(REQUIRED) <= set(names):
        return aws
    return Columns([Layout({})])


def _layout(log: StagedLog, columns: Columns, first: Sequence[str]) -> Layout:
    """Return the layout that a file has. A user's own mapping has one, whose columns are looked for later."""
    if columns.preset is None:
        return columns.layouts[0]
    lacks = [_lacks(layout, first, columns) for layout in columns.layouts]
    for layout, lacking in zip(columns.layouts, lacks, strict=True):
        if not lacking:
            return layout
    # One whose first line is a record lacks them all.
    layout, fewest = min(zip(columns.layouts, lacks, strict=True), key=lambda pair: (len(pair[1]), pair[1]))
    raws = [raw for raw, source in layout.needed.items() if {place.name for place in places(source)} & set(fewest)]
    beside = "".join(f', "{raw}": SOURCE' for raw in raws)
    name = f', or name it beside the preset: {{"preset": "{columns.preset}"{beside}}}' if raws else ""
    raise UnreadableLogError(
        f"{log.name} has no column {', '.join(fewest)}, which the preset {columns.preset} needs",
        f"Correct FLOWS_COLUMNS{name}",
    )


def _lacks(layout: Layout, first: Sequence[str], columns: Columns) -> list[str]:
    """Return what a file would need to have a layout."""
    if layout.is_headless:
        width = not layout.widths or len(first) in layout.widths
        return (
            [] if width and _begins_with_a_record(layout, first) else [place.name for place in places_of(layout.needed)]
        )
    lacking = {place.name: None for place in places_of(layout.needed) if not _matches(first, place, columns)}
    surplus = [name for name in layout.absent if _matches(first, Column(column=name), columns)]
    return [*lacking, *(f"other than {name}" for name in surplus)]


def _volumes(layout: Layout) -> dict[str, Source]:
    return {raw: source for raw, source in layout.needed.items() if raw in VOLUMES}


def _begins_with_a_record(layout: Layout, first: Sequence[str]) -> bool:
    """Return whether the first line has numbers where a layout has volumes; the names of a header are none."""
    volumes = [place.position for place in places_of(_volumes(layout)) if isinstance(place, Position)]
    return all(position <= len(first) and NUMBER.match(first[position - 1]) for position in volumes)


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
    if RAW[raw].is_numeric() and cell.dtype.is_numeric():
        return Field(cell.text, _number(cell.value, cell.dtype, RAW[raw]))
    if RAW[raw].is_numeric() and cell.dtype.is_temporal():
        return Field(cell.text, pl.lit(None, RAW[raw]))
    return text_field(raw, cell.text)


def _number(column: pl.Expr, dtype: pl.DataType, target: pl.DataType) -> pl.Expr:
    """Return a number as another type; a fraction is null where a whole number belongs."""
    if target.is_integer() and not dtype.is_integer():
        column = pl.when(column == column.round()).then(column)
    return column.cast(target, strict=False)


def _duration(cell: Cell, source: Place) -> Field:
    """Return a duration in seconds; a column of Parquet's own type has a unit of its own."""
    if isinstance(cell.dtype, pl.Duration):
        return Field(cell.text, seconds(cell.value.to_physical(), cell.dtype.time_unit))
    number = cell.value if cell.dtype.is_numeric() else cell.text
    return Field(cell.text, seconds(number, source.unit or "s"))


def _time(cell: Cell, source: Place) -> Field:
    """Return a point in time; a column of Parquet's own type has a unit of its own."""
    if isinstance(cell.dtype, pl.Datetime):
        zoned = cell.value if cell.dtype.time_zone else cell.value.dt.replace_time_zone("UTC")
        return Field(cell.text, plausible(zoned.cast(TIMESTAMP, strict=False)))
    if source.unit:
        return Field(cell.text, instant(epoch_nanoseconds(cell.text, source.unit)))
    return Field(cell.text, parse_day_first(cell.text) if source.day_first else parse_time(cell.text))


def _nanoseconds(cell: Cell, source: Place) -> Field:
    """Return a point in time as whole nanoseconds since 1970: exact, where the source is."""
    time = _time(cell, source)
    coarse = time.value.to_physical().cast(pl.Int128) * 1_000
    if isinstance(cell.dtype, pl.Datetime):
        exact = cell.value.to_physical().cast(pl.Int128) * (NANOSECONDS // PER_SECOND[cell.dtype.time_unit])
    elif source.unit:
        exact = epoch_nanoseconds(cell.text, source.unit)
    else:
        exact = pl.when(cell.text.str.contains(INTEGER)).then(cell.text).cast(pl.Int128, strict=False)
    # A number without a unit is in nanoseconds if it was read so; no other number comes this near to the time.
    return Field(time.text, pl.when(exact // 1_000 == coarse // 1_000).then(exact).otherwise(coarse))


def _span(start: Field, end: Field) -> Field:
    """Return the seconds from a start to an end, unset where the end is: such a flow was still open."""
    text = pl.when(end.text.is_not_null()).then(pl.concat_str(start.text.fill_null(""), end.text, separator=" to "))
    return Field(text, seconds(end.value - start.value, "ns"))


def text_field(raw: str, text: pl.Expr) -> Field:
    """Return a raw column by its text.

    Args:
        raw: The raw column.
        text: What the source has; null where it is unset.
    """
    if raw == "timestamp":
        return Field(text, parse_time(text))
    if raw == "protocol":
        return protocol(text)
    if raw in {"label", "alerted"}:
        return label(text)
    if raw in {"src_ip", "dst_ip"}:
        return host(text)
    # Tools that know only floats write "12.0" for a count of 12.
    written = text.str.replace(r"\.0*$", "") if RAW[raw].is_integer() else text
    return Field(text, written.cast(RAW[raw], strict=False))


def constant_field(raw: str, constant: Value) -> Field:
    """Return the same value for every record; a date alone is its midnight."""
    text = constant.value + "T00:00:00" * bool(raw == "timestamp" and DATE.fullmatch(constant.value))
    return text_field(raw, pl.lit(text or None, pl.String))


def total(raw: str, terms: Sequence[Field]) -> Field:
    """Add up what is known; a term at fault, or a sum beyond what the column holds, puts the sum at fault.

    Args:
        raw: The raw column, one that counts something.
        terms: What it is made of; one alone is given as it is.
    """
    if len(terms) == 1:
        return terms[0]
    known = pl.any_horizontal(term.text.is_not_null() for term in terms)
    text = pl.when(known).then(pl.concat_str([term.text for term in terms], separator="+", ignore_nulls=True))
    # A term below zero would hide in a sum above it.
    bad = pl.any_horizontal(term.text.is_not_null() & ~(term.value >= 0).fill_null(value=False) for term in terms)
    wide = pl.Int128 if RAW[raw].is_integer() else pl.Float64
    value = pl.sum_horizontal(term.value.cast(wide) for term in terms).cast(RAW[raw], strict=False)
    return Field(text, pl.when(known & ~bad).then(value))


def require_constants(columns: Columns) -> None:
    """Refuse a value that no record can have.

    Raises:
        SettingsError: A `value` does not parse.
    """
    for layout in columns.layouts:
        for raw, source in layout.needed.items():
            for term in source.sum if isinstance(source, Sum) else [source]:
                if isinstance(term, Value) and _is_at_fault(raw, term):
                    raise SettingsError(
                        f"FLOWS_COLUMNS: {raw} cannot have the value {quoted(term.value)}",
                        "Correct it; a time is ISO 8601 or seconds since 1970",
                    )


def _is_at_fault(raw: str, constant: Value) -> bool:
    records = assemble(ANYWHERE, {raw: constant_field(raw, constant)})
    return records.select("fault").collect().item() is not None
