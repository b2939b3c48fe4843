"""What a label column says about a flow."""

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.flows.parsing.labels import verdict
from cybersec_assets_tests.flows.logs import examples

MALICE = ["Malicious", "botnet", "DDoS", "1", "1.0", "-1", "true", "attack", "neptune", "C&C", "10", "0.5", "yes"]
HARMLESS = ["Benign", "normal", "NORMAL.", "flow=From-Normal-V51-Stribrek", "false", "no", "0", "0.0", " 0 "]
NOTHING = [
    "",
    "-",
    "(empty)",
    "Background",
    "flow=Background-UDP",
    "flow=Backgrund-TCP",
    "unknown",
    "unset",
    "None",
    "NULL",
    "NaN",
    "n/a",
]
NOTHING.remove("(empty)")  # the Zeek reader takes it out before


def verdict_of(label):
    """Read one label."""
    return pl.DataFrame({"label": [label]}, schema={"label": pl.String}).select(verdict(pl.col("label"))).item()


def any_case(labels):
    """Give a label in any case, with blanks around."""
    cases = st.sampled_from([str.lower, str.upper, str.title, str])
    return st.builds(lambda label, case, blank: blank + case(label) + blank, labels, cases, st.sampled_from(["", " "]))


@examples
@given(any_case(st.sampled_from(MALICE)))
def test_what_names_malice_is_true(label):
    """A label that is neither harmless nor empty is malice, in any case."""
    assert verdict_of(label) is True


@examples
@given(any_case(st.sampled_from(HARMLESS)))
def test_benign_normal_and_zero_are_false(label):
    """Benign, normal, false, no and 0 are harmless, in any case."""
    assert verdict_of(label) is False


@examples
@given(any_case(st.sampled_from(NOTHING)))
def test_background_and_unset_are_null(label):
    """Background and all the ways to say nothing give no verdict, in any case."""
    assert verdict_of(label) is None


@pytest.mark.parametrize(
    "label", ["unknown malware", "exploit with no payload", "null scan", "abnormal", "Backgrounder"]
)
def test_a_word_inside_of_a_longer_label_does_not_clear_it(label):
    """A label that names malice stays malice where it has a word such as unknown, no or null in it."""
    assert verdict_of(label) is True


@examples
@given(st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"]))))
def test_every_text_has_a_verdict_or_none(label):
    """Any text at all is read without an error, and a missing one gives no verdict."""
    assert verdict_of(label) in ((None,) if label is None else (True, False, None))
