"""Remove addresses from records before they are stored or shown."""

import polars as pl

from cybersec_assets.flows.pseudonyms.pseudonyms import Pseudonyms

ADDRESSES = ("src_ip", "dst_ip")
WORDS = ("protocol", "uid", "service", "conn_state")
"""Other text columns, which may contain an address if columns are shifted or mapped wrongly."""
LIKE_ADDRESS = r"\d\.\d+\.\d+\.\d|[0-9A-Fa-f]*:[0-9A-Fa-f]*:"
"""A part that every IPv4 and IPv6 address has."""
REJECTED_TEXT = "value"
"""The column with the text of an invalid value, which may be an address in any column."""
HIDDEN = "(not shown, as addresses are pseudonyms)"
"""Replaces a label with an unknown meaning."""


def without_addresses(records: pl.LazyFrame, pseudonyms: Pseudonyms) -> pl.LazyFrame:
    """Replace addresses with pseudonyms.

    Args:
        records: The columns of RAW_SCHEMA and optionally of ORIGIN or others. `value` becomes null, or HIDDEN for a
            label.
        pseudonyms: The pseudonyms.

    Returns:
        The same columns.
    """

    def hide(batch: pl.DataFrame) -> pl.DataFrame:
        hidden = [pseudonyms.of(batch[name]) for name in ADDRESSES if name in batch.columns]
        hidden += [_hide_like(batch[name], pseudonyms) for name in WORDS if name in batch.columns]
        is_label = pl.col("fault").is_null() & pl.col(REJECTED_TEXT).is_not_null()
        texts = [pl.when(is_label).then(pl.lit(HIDDEN)).alias(REJECTED_TEXT)] if REJECTED_TEXT in batch.columns else []
        return batch.with_columns(*hidden, *texts)

    # No pushdown: a predicate on a pseudonym must not be evaluated on the address.
    return records.map_batches(
        hide, predicate_pushdown=False, projection_pushdown=False, slice_pushdown=False, streamable=True
    )


def _hide_like(texts: pl.Series, pseudonyms: Pseudonyms) -> pl.Series:
    """Replace each text that contains an address, as a whole, with a pseudonym."""
    has_address = texts.str.contains(LIKE_ADDRESS)
    if not has_address.any():
        return texts
    return texts.zip_with(~has_address.fill_null(value=False), pseudonyms.of(texts.set(~has_address, None)))
