"""Remove the prefixes that a transport adds to records: syslog headers, times of log services, container runtimes.

There are two functions, because a record may itself begin with a time:

    before_json   the prefix ends at a JSON object and must consist of the transport's own fields
    before_text   the prefix is removed only if it is unambiguous: with a tag, a priority, or a time and a blank

The forms are RFC 3164 and 5424 (https://www.rfc-editor.org/rfc/rfc5424), RFC 6587's octet count, `@cee:`
(https://cee.mitre.org/language/1.0-beta1/clt.html), ISO 8601 times as CloudWatch exports them, and `stdout F` of
the container runtimes of Kubernetes. Free text before an object is not a prefix. Otherwise anyone who can write to a
log that several programs share could forge flows.
"""

import re

SPACE = rb"[ \t]{1,16}"
"""All repetitions here have a bounded length, so that matching takes linear time."""
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
"""The prefix of `docker compose logs` and `kubectl logs --prefix`."""
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
"""A time and the name of a stream, as in the output of `aws logs tail`."""
ESCAPED_TAB = b"#011"
"""A tab as rsyslog escapes it."""
SYSLOG = re.compile(BOM + rb"(?:" + PRIORITY + rb"|" + BSD + rb")")


def before_json(line: bytes) -> bytes | None:
    """Return the JSON object after a prefix, or None if the line has no such prefix."""
    found = BEFORE_JSON.match(line)
    return line[found.end() :] if found and found.end() > len(_mark(line)) else None


def before_text(line: bytes) -> bytes | None:
    """Return the text after a prefix, with rsyslog's escaped tabs as tabs, or None if the line has no prefix."""
    found = BEFORE_TEXT.match(line)
    if not found:
        return None
    text = line[found.end() :]
    return text if b"\t" in text else text.replace(ESCAPED_TAB, b"\t")


def before_stream(line: bytes) -> bytes | None:
    """Return the text after a time and the name of a stream, or None if the line does not begin with both."""
    found = BEFORE_STREAM.match(line)
    return line[found.end() :] if found else None


def prefix_name(line: bytes) -> str | None:
    """Return the name of a line's prefix for messages, or None if it has no prefix."""
    if SYSLOG.match(line):
        return "syslog prefix"
    if line.startswith(b"@cee:"):
        return "@cee: prefix"
    return "time prefix" if re.match(BOM + ISO + rb"[ \t]", line) else None


def _mark(line: bytes) -> bytes:
    mark = b"\xef\xbb\xbf"
    return mark if line.startswith(mark) else b""
