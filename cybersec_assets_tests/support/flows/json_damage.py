"""Damaged JSON logs, drawn by Hypothesis."""

import json

from hypothesis import strategies as st

ODD = (
    *("null", "true", "false", "0", "-0", "-0.0", "01", "1.0", "1.50", "1e3", "1E400", "1e22", "-1", "NaN", "Infinity"),
    *(
        "2147483648",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551616",
        "1" * 40,
        "0.1234567890123456",
    ),
    *("1713484860.9432391", "9007199254740993", "4.9e-324", "1.7976931348623157e308", "12345678.000000001"),
    *('""', '" "', '"1"', '"1.5"', '" 7"', '"-"', '"x y"', '"[1]"', '"{}"', '"\\ud800"', '"\\u0000"', '"\\u00e9\\/"'),
    *(
        '"\u00e9\u4e16"',
        '"conn"',
        '"flow"',
        '"netflow"',
        '"alert"',
        '"2024-04-19T00:01:00Z"',
        '"2024-04-19 00:01:00+02"',
    ),
    *(
        "[]",
        "[1, 2]",
        '["a","b"]',
        "{}",
        '{"a": 1}',
        '{"a": [1, {"b": "c"}]}',
        '"}"',
        '"},{"',
        '"a, {b"',
        '"',
        "'x'",
        "",
        "]",
    ),
)
"""Replacements for a value: unusual or invalid JSON."""
BETWEEN = (
    b"\n",
    b"\n",
    b"\n",
    b"\n",
    b"\n",
    b"\r\n",
    b"\n\n",
    b"\n \t\n",
    b",",
    b", ",
    b"",
    b" ",
    b"\r",
    b"\x01",
    b"\n\xef\xbb\xbf",
    b"\x0b\n",
)
"""Separators between two records."""
JUNK = (
    b"{",
    b"}",
    b"[",
    b"]",
    b"{}",
    b"[]",
    b"null",
    b"3",
    b'"',
    b"\xff",
    b"\x00",
    b'{"a":"\xff"}',
    b'{"a":1},{"a":2}',
    b'{"a":[{}',
    b"{}]}",
    b"\\",
)


def logs(*records):
    """Return a strategy for the bytes of files with some of these records, most of them undamaged."""
    names = sorted({name for record in records for name in _names(record)})
    whole = st.sampled_from(records).map(lambda record: json.dumps(record).encode())
    changed = st.builds(_changed, st.sampled_from(records), st.sampled_from(names), st.sampled_from(ODD), st.booleans())
    entry = st.one_of(changed, changed, changed, st.sampled_from(JUNK))
    pieces = st.lists(
        st.tuples(st.one_of(*[whole] * 20, entry), st.sampled_from((b"\n",) * 300 + BETWEEN)),
        max_size=6,
    )
    return st.builds(
        lambda some, cut: b"".join(map(b"".join, some))[: cut or None], pieces, st.sampled_from([0, 0, 0, 0, -1, -9])
    )


def _names(record):
    for name, value in record.items():
        yield name
        if isinstance(value, dict):
            yield from _names(value)


def _changed(record, name, value, twice):
    """Replace the value of a name, or add another one before it."""
    text = json.dumps(record)
    before, found, after = text.partition(f"{json.dumps(name)}: ")
    if not found:
        return f"{{{json.dumps(name)}: {value}, {text[1:]}".encode()
    if twice:
        return f"{before}{found}{value}, {found}{after}".encode()
    _, end = json.JSONDecoder().raw_decode(after)
    return f"{before}{found}{value}{after[end:]}".encode()
