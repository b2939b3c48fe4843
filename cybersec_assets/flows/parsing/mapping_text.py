"""Convert the older text form of FLOWS_COLUMNS to a document of the JSON form.

    columns  = entry {"," entry}
    entry    = raw "=" term {"+" term}
    term     = name | '"' name '"' | "#" position | "'" value "'"

A name needs quotes if it contains a comma, a plus, an equals sign or a quote, begins with `#`, or begins or ends with
a blank. A quote within quotes is doubled. Blanks around these signs are ignored.
"""

import re
from typing import Any

from cybersec_assets.errors import SettingsError, quoted

TERM = r"""(?:"(?:[^"]|"")+"|'(?:[^']|'')*'|[^\s,+="'](?:[^,+="']*[^\s,+="'])?)"""
ENTRY = re.compile(rf"\s*([^\s,+=\"']+)\s*=\s*({TERM}(?:\s*\+\s*{TERM})*)\s*(,|$)")
BEGIN = re.compile(r"\w+\s*=")


def is_text_form(text: str) -> bool:
    """Return whether a text begins with `word=`. A file with such a name is given as `./word=…`."""
    return BEGIN.match(text) is not None


def document_of_text(text: str) -> dict[str, Any]:
    """Return the JSON form of a text, as Python values.

    Raises:
        SettingsError: The text breaks the grammar.
    """
    document: dict[str, Any] = {}
    at = 0
    more = ","
    while more:
        entry = ENTRY.match(text, at)
        if not entry:
            part = text[at:].split(",", maxsplit=1)[0].strip()
            raise SettingsError(
                f"FLOWS_COLUMNS: {quoted(part)} is not raw=term or raw=term+term",
                """Quote names that contain , + = " or ', or use the JSON form""",
            )
        raw, written, more = entry.groups()
        if raw in document:
            raise SettingsError(f"FLOWS_COLUMNS: {quoted(raw)} appears twice", "Remove one of them")
        terms = [_term(term) for term in re.findall(TERM, written)]
        document[raw] = {"sum": terms} if len(terms) > 1 else terms[0]
        at = entry.end()
    return document


def _term(written: str) -> dict[str, Any]:
    if written.startswith('"'):
        return {"column": written[1:-1].replace('""', '"')}
    if written.startswith("'"):
        return {"value": written[1:-1].replace("''", "'")}
    if not written.startswith("#"):
        return {"column": written}
    if not re.fullmatch(r"#[1-9][0-9]{0,5}", written):
        raise SettingsError(
            f"FLOWS_COLUMNS: {quoted(written)} is not a valid position",
            'Use #1, #2, …, or quote a name that begins with #: "#…"',
        )
    return {"position": int(written[1:])}
