"""What a label column says about a flow: malice, no malice, or nothing."""

import polars as pl

from cybersec_assets.flows.readers.base import Field

# Words such as "no" or "unknown" say nothing inside of a longer label: "unknown malware" names malice.
# CTU-13 has "Backgrund", too.
NO_VERDICT = r"(?i)\bbackgro?und\b|^\W*(unknown|unlabell?ed|unset|none|null|nan|n/a)?\W*$"
HARMLESS = r"(?i)\b(benign|normal|non-?malicious)\b|^\W*(false|no)\b|^\s*0(\.0*)?\s*$"


def verdict(text: pl.Expr) -> pl.Expr:
    """Read a label.

    Args:
        text: The label as the log has it.

    Returns:
        True for anything that names malice, false for benign, normal or 0, null for background or unset.
    """
    return (
        pl.when(text.str.contains(NO_VERDICT))
        .then(None)
        .when(text.str.contains(HARMLESS))
        .then(statement=False)
        .when(text.is_not_null())
        .then(statement=True)
    )


def label(text: pl.Expr) -> Field:
    """Read a label; its own value stands for its text, as one that gives no verdict is no fault."""
    return Field(verdict(text).cast(pl.String), verdict(text))
