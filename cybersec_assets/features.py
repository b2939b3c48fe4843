"""The columns that a model sees, and nothing else: training and scoring both take them from here.

A feature is a column of silver. Volumes are heavy-tailed and an Isolation Forest cuts between minimum and maximum,
so the model takes log1p of every feature inside its own pipeline; here they stay in their natural units.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import polars as pl

from cybersec_assets.errors import ModelError, quoted

_BASIC = ("bytes", "duration", "bytes_per_second")

FEATURE_SETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "basic": _BASIC,
        "extended": (*_BASIC, "orig_bytes", "resp_bytes", "orig_packets", "resp_packets"),
    }
)
"""Each set's columns, in the order in which a model takes them: bytes, seconds, bytes a second, packets."""


def feature_names(feature_set: str) -> tuple[str, ...]:
    """Give a set's columns.

    Raises:
        ModelError: There is no such set.
    """
    if feature_set not in FEATURE_SETS:
        raise ModelError(f"FEATURE_SET={quoted(feature_set)} is unknown", f"Use one of {', '.join(FEATURE_SETS)}")
    return FEATURE_SETS[feature_set]


def add_features(flows: pl.LazyFrame) -> pl.LazyFrame:
    """Give silver every feature of every set without gaps: what the sensor left unset counts as 0."""
    names = dict.fromkeys(name for names in FEATURE_SETS.values() for name in names)
    return flows.with_columns(pl.col(name).fill_null(0) for name in names)


def select_features(flows: pl.LazyFrame, names: Sequence[str]) -> pl.LazyFrame:
    """Give the features of flows as a model takes them.

    Args:
        flows: Silver's columns.
        names: Which, in order.

    Returns:
        One column a feature, float64, without missing values.
    """
    return flows.select(pl.col(name).cast(pl.Float64) for name in names)
