"""The columns that a model uses. Training and scoring both import them from here.

A feature is a column of silver, in its natural unit. Volumes are heavy-tailed, and an Isolation Forest splits between
minimum and maximum; therefore the pipeline of the model applies log1p to every feature.
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
"""The columns of each set, in the order of the model. Units: bytes, seconds, bytes per second, packets."""


def feature_names(feature_set: str) -> tuple[str, ...]:
    """Return the columns of a feature set.

    Raises:
        ModelError: The set is unknown.
    """
    if feature_set not in FEATURE_SETS:
        raise ModelError(f"FEATURE_SET={quoted(feature_set)} is unknown", f"Use one of {', '.join(FEATURE_SETS)}")
    return FEATURE_SETS[feature_set]


def add_features(flows: pl.LazyFrame) -> pl.LazyFrame:
    """Return the flows with the features of every set, where unset values are 0."""
    names = dict.fromkeys(name for names in FEATURE_SETS.values() for name in names)
    return flows.with_columns(pl.col(name).fill_null(0) for name in names)


def select_features(flows: pl.LazyFrame, names: Sequence[str]) -> pl.LazyFrame:
    """Return the features of flows in the form that a model needs.

    Args:
        flows: The columns of silver.
        names: The features, in order.

    Returns:
        A float64 column per feature, without missing values.
    """
    return flows.select(pl.col(name).cast(pl.Float64) for name in names)
