"""Every message is one short, printable line, whatever it quotes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybersec_assets.errors import CybersecError, first_line, quoted, shortened

ANY_TEXT = st.text(max_size=50) | st.builds(
    lambda text, times: text * times, st.text(min_size=1, max_size=9), st.integers(1, 9_000)
)


@given(ANY_TEXT, ANY_TEXT)
def test_an_error_is_one_printable_line_that_keeps_its_remedy(problem: str, remedy: str) -> None:
    error = CybersecError(problem, remedy)
    assert len(f"error: {error}") <= 500
    assert str(error).isprintable()
    assert str(error).endswith(f"{shortened(remedy, 280)}.")


@given(ANY_TEXT)
def test_a_quoted_value_is_short_and_printable(value: str) -> None:
    text = quoted(value)
    assert text.isprintable()
    assert len(text) <= 120


@given(st.text(max_size=20).filter(lambda text: len(repr(text)) <= 82))
def test_a_short_value_is_quoted_whole(value: str) -> None:
    assert quoted(value) == repr(value)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("A" * 200_000, f"'{'A' * 80}…' (200,000 characters)"),
        ("\x00" * 200_000, f"'{chr(92)}x00{f'{chr(92)}x00' * 19}…' (200,000 characters)"),
        ("it's", '"it\'s"'),
        ("\x1b[31m\u202e", r"'\x1b[31m\u202e'"),
    ],
)
def test_a_long_value_is_cut_and_its_length_stated(value: str, text: str) -> None:
    assert quoted(value) == text


def test_the_middle_of_a_long_message_is_cut_out() -> None:
    error = CybersecError(f"/logs/{'a' * 4_000}/conn.log is empty", "Restore the file")
    assert re.fullmatch(r"/logs/a+…a+/conn\.log is empty\. Restore the file\.", str(error))


@given(ANY_TEXT)
def test_the_first_line_of_any_exception_is_short_and_printable(text: str) -> None:
    line = first_line(ValueError(text))
    assert len(line) <= 480
    assert line.isprintable()
