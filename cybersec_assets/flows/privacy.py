"""Records without an address in clear: what is stored, shown or told of them has pseudonyms in their place."""

import polars as pl

from cybersec_assets.flows.pseudonyms import Pseudonyms

ADDRESSES = ("src_ip", "dst_ip")
TELLTALE = "value"
"""What a record at fault had in a column, which may be an address even where another belongs."""


def without_addresses(records: pl.LazyFrame, pseudonyms: Pseudonyms) -> pl.LazyFrame:
    """Put pseudonyms in place of addresses.

    Args:
        records: The columns of RAW, and perhaps those of ORIGIN, whose `value` becomes null, or others.
        pseudonyms: What stands for an address.

    Returns:
        The same columns.
    """

    def hide(batch: pl.DataFrame) -> pl.DataFrame:
        hidden = [pseudonyms.of(batch[name]).alias(name) for name in ADDRESSES if name in batch.columns]
        told = [pl.lit(None, pl.String).alias(TELLTALE)] if TELLTALE in batch.columns else []
        return batch.with_columns(*hidden, *told)

    # Nothing is pushed through it: a condition on an address would be one on its pseudonym.
    return records.map_batches(
        hide, predicate_pushdown=False, projection_pushdown=False, slice_pushdown=False, streamable=True
    )
