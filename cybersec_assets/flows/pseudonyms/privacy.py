"""Records without an address in clear: what is stored, shown or told of them has pseudonyms in their place."""

import polars as pl

from cybersec_assets.flows.pseudonyms.pseudonyms import Pseudonyms

ADDRESSES = ("src_ip", "dst_ip")
WORDS = ("protocol", "uid", "service", "conn_state")
"""Other text, which has an address where a column is shifted or mapped so."""
LIKE_ADDRESS = r"\d\.\d+\.\d+\.\d|[0-9A-Fa-f]*:[0-9A-Fa-f]*:"
"""What every address has, of either kind, wherever in a text it stands."""
TELLTALE = "value"
"""What a record at fault had in a column, which may be an address even where another belongs."""
HIDDEN = "(not shown, as addresses are pseudonyms)"
"""What stands for a label that is not known."""


def without_addresses(records: pl.LazyFrame, pseudonyms: Pseudonyms) -> pl.LazyFrame:
    """Put pseudonyms in place of addresses.

    Args:
        records: The columns of RAW, and perhaps those of ORIGIN, whose `value` becomes null, or HIDDEN
            where it is a label, or others.
        pseudonyms: What stands for an address.

    Returns:
        The same columns.
    """

    def hide(batch: pl.DataFrame) -> pl.DataFrame:
        hidden = [pseudonyms.of(batch[name]) for name in ADDRESSES if name in batch.columns]
        hidden += [_hide_like(batch[name], pseudonyms) for name in WORDS if name in batch.columns]
        is_label = pl.col("fault").is_null() & pl.col(TELLTALE).is_not_null()
        told = [pl.when(is_label).then(pl.lit(HIDDEN)).alias(TELLTALE)] if TELLTALE in batch.columns else []
        return batch.with_columns(*hidden, *told)

    # Nothing is pushed through it: a condition on an address would be one on its pseudonym.
    return records.map_batches(
        hide, predicate_pushdown=False, projection_pushdown=False, slice_pushdown=False, streamable=True
    )


def _hide_like(texts: pl.Series, pseudonyms: Pseudonyms) -> pl.Series:
    """Put a pseudonym in place of a whole text that has an address in it."""
    telling = texts.str.contains(LIKE_ADDRESS)
    if not telling.any():
        return texts
    return texts.zip_with(~telling.fill_null(value=False), pseudonyms.of(texts.set(~telling, None)))
