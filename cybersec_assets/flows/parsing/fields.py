"""Raw columns made of a generic table's own: one of them, the sum of several, or a constant.

What belongs elsewhere: what a mapping may say (`columns`), and how a file's rows are had (`readers`).
"""

import re
from collections.abc import Sequence

import polars as pl

from cybersec_assets.errors import SettingsError, UnreadableLogError
from cybersec_assets.flows.logfile import LogFile
from cybersec_assets.flows.parsing.columns import Columns, Constant, Named
from cybersec_assets.flows.parsing.labels import label
from cybersec_assets.flows.parsing.protocols import protocol
from cybersec_assets.flows.parsing.times import parse_time
from cybersec_assets.flows.readers.base import Field, assemble, host, require_columns
from cybersec_assets.flows.schema import RAW, REQUIRED

DATE = re.compile(r"\d{4}-\d\d-\d\d")
ANYWHERE = pl.LazyFrame({"file": [""], "line": [0]})


def terms_of(log: LogFile, names: Sequence[str]) -> Columns:
    """Tell what each raw column of a file is made of: what is mapped to it, else the column that bears its name.

    Args:
        log: The file, with its mapping.
        names: The names of its columns, in order: `#1`, `#2`, … where it has no header.

    Raises:
        UnreadableLogError: It has too many columns, lacks one, or has one twice that is needed.
    """
    require_columns(log, names, ())
    found: Columns = {raw: (Named(raw),) for raw in RAW if raw in names} | dict(log.columns)
    for needed in [term.name for terms in found.values() for term in terms if not isinstance(term, Constant)]:
        _require_once(log, names, needed)
    if missing := sorted(set(REQUIRED) - set(found)):
        raise UnreadableLogError(
            f"{log.name} has no column {', '.join(missing)}",
            "Have the sensor write it, or take the file out, or say in FLOWS_COLUMNS what makes it",
        )
    return found


def _require_once(log: LogFile, names: Sequence[str], needed: str) -> None:
    if needed not in names:
        raise UnreadableLogError(
            f"{log.name} has no column {needed}, which FLOWS_COLUMNS names",
            "Correct FLOWS_COLUMNS, or take the file out",
        )
    if names.count(needed) > 1:
        raise UnreadableLogError(f"{log.name} has more than one column {needed}", "Rename all of them but one")


def text_field(raw: str, text: pl.Expr) -> Field:
    """Read a raw column's text.

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


def constant_field(raw: str, constant: Constant) -> Field:
    """Give every record the same; a date alone is its midnight."""
    text = constant.text + "T00:00:00" * bool(raw == "timestamp" and DATE.fullmatch(constant.text))
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
    """Refuse a constant that no record can have.

    Raises:
        SettingsError: One does not parse.
    """
    for raw, terms in columns.items():
        for term in terms:
            if isinstance(term, Constant) and _is_at_fault(raw, term):
                raise SettingsError(
                    f"FLOWS_COLUMNS: {raw}='{term.text}' is no value of that column",
                    "Correct it; a time is ISO 8601 or seconds since 1970",
                )


def _is_at_fault(raw: str, constant: Constant) -> bool:
    records = assemble(ANYWHERE, {raw: constant_field(raw, constant)})
    return records.select("fault").collect().item() is not None
