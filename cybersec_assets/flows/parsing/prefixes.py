"""What a log's transport writes before each record: syslog headers, times of log services, container runtimes.

Two readings, as the text of a record may itself begin with a time:

    before_json   a prefix ends where a JSON object begins; nothing but the transport's own fields may stand there
    before_text   a prefix is removed only where its form is unmistakable: with a tag, a priority, or a time and a blank

The forms: RFC 3164 and 5424 (https://www.rfc-editor.org/rfc/rfc5424), RFC 6587's octet count, `@cee:`
(https://cee.mitre.org/language/1.0-beta1/clt.html), ISO 8601 times as CloudWatch exports them, and `stdout F` of
Kubernetes' container runtimes. Free text before an object is no prefix: it would let whoever writes into a log that is
shared with other programs make up flows.
"""

import re

SPACE = rb"[ \t]{1,16}"
"""Of bounded length, as all that is repeated here: no line is looked through more than once."""
BOM = rb"(?:\xef\xbb\xbf)?"
PRIORITY = rb"(?:\d{1,7} (?=<))?<\d{1,3}>"
CLOCK = rb"\d{2}:\d{2}:\d{2}(?:[.,]\d{1,9})?"
ZONE = rb"(?:Z| ?[+-]\d{2}:?\d{2}| UTC)?"
ISO = rb"\d{4}[-/]\d{2}[-/]\d{2}[T ]" + CLOCK + ZONE
MONTH = rb"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
WEEKDAY = rb"(?:(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? )?"
BSD = WEEKDAY + MONTH + rb" {1,2}\d{1,2}(?: \d{4})? " + CLOCK + rb"(?: \d{4})?" + ZONE
EPOCH = rb"(?:\d{9,10}(?:\.\d{1,9})?|\d{13}|\d{16}|\d{19})"
HOST = rb"""[^\s{"]{0,254}[^\s{":]"""
TAG = rb"""[^\s{"]{0,254}:"""
STRUCTURED = rb"""(?:-|(?:\[(?:[^\]"\\]|\\.|"(?:[^"\\]|\\.)*")*\])+)"""
RFC_5424 = rb"(?:" + PRIORITY + rb")?1 (?:-|" + ISO + rb")(?: [!-~]{1,255}){4} " + STRUCTURED
SERVICE = rb"(?:[\w.-]{1,255} +\| |\[pod/[^\]\s]{1,255}\] )"
"""The name that `docker compose logs` or `kubectl logs --prefix` writes."""
COOKIE = rb"@cee:[ \t]{0,16}"

BEFORE_JSON = re.compile(
    BOM
    + rb"(?:"
    + (RFC_5424 + rb" ?" + BOM)
    + rb"|"
    + rb"(?:" + PRIORITY + rb")?\[?(?:" + ISO + rb"|" + BSD + rb"|" + EPOCH + rb")\]?:?[ \t,|]{1,16}"
    + rb"(?:" + HOST + SPACE + rb"){0,3}(?:" + TAG + rb"[ \t]{0,16})?"
    + rb"|"
    + PRIORITY + rb"(?:" + TAG + rb"[ \t]{0,16})?"
    + rb"|"
    + SERVICE
    + rb"|"
    + COOKIE
    + rb"){0,6}" + BOM + rb"(?=\{)"
)  # fmt: skip
BEFORE_TEXT = re.compile(
    BOM
    + rb"(?:"
    + (RFC_5424 + rb" " + BOM)
    + rb"|"
    + rb"(?:" + PRIORITY + rb")?(?:" + ISO + rb"|" + BSD + rb") +(?:" + HOST + rb" +){0,2}" + TAG + rb" +"
    + rb"|"
    + PRIORITY + TAG + rb" +"
    + rb"|"
    + ISO + rb" std(?:out|err) [FP] "
    + rb"|"
    + ISO + rb" +"
    + rb"|"
    + SERVICE
    + rb")(?=[^\s])"
)  # fmt: skip
BEFORE_STREAM = re.compile(BOM + ISO + rb" +[!-~]{1,255} +(?=[^\s])")
"""A time and the name of a stream, as `aws logs tail` prints them."""
ESCAPED_TAB = b"#011"
"""How rsyslog writes a tab that it received."""
SYSLOG = re.compile(BOM + rb"(?:" + PRIORITY + rb"|" + BSD + rb")")


def before_json(line: bytes) -> bytes | None:
    """Return the JSON object behind a prefix, or None where the line has none before one."""
    found = BEFORE_JSON.match(line)
    return line[found.end() :] if found and found.end() > len(_mark(line)) else None


def before_text(line: bytes) -> bytes | None:
    """Return the text behind a prefix, with rsyslog's escaped tabs as tabs, or None where the line has none."""
    found = BEFORE_TEXT.match(line)
    if not found:
        return None
    text = line[found.end() :]
    return text if b"\t" in text else text.replace(ESCAPED_TAB, b"\t")


def before_stream(line: bytes) -> bytes | None:
    """Return the text behind a time and a stream's name, or None where the line does not begin with both."""
    found = BEFORE_STREAM.match(line)
    return line[found.end() :] if found else None


def prefix_name(line: bytes) -> str | None:
    """Return what a line's prefix is called in a message, or None where it has none."""
    if SYSLOG.match(line):
        return "syslog prefix"
    if line.startswith(b"@cee:"):
        return "@cee: prefix"
    return "time prefix" if re.match(BOM + ISO + rb"[ \t]", line) else None


def _mark(line: bytes) -> bytes:
    mark = b"\xef\xbb\xbf"
    return mark if line.startswith(mark) else b""
