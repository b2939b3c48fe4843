"""Find the flow record in a line of JSON that a log shipper has wrapped or changed.

    line → remove prefix → object → is it a record? ─ yes → flatten its nested fields
                   ↑                    │ no
                   └── text ── the value of a shipper's field ── object → repeat

Shippers put a record, as text or as an object, in one of their own fields (`message`, `log`, `_raw`, `result` …) or
under the name of its stream (`{"conn": {…}}`). All other fields are dropped. A line without a record is not changed.
`prefixes` removes the text before an object.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn

from cybersec_assets.flows.parsing.ecs import ecs_record
from cybersec_assets.flows.parsing.prefixes import before_json

MAX_DEPTH = 6
"""The maximum number of wrappers of a record. Each text and each object counts as one."""
TOO_DEEP = b"a record in over 6 wrappers"
"""Replaces a record with too many wrappers. It is not an object, so that the line is quarantined."""
ORIGINALS = ("event.original", "_raw")
"""The fields with the original record, next to fields that shippers extracted from it."""
TEXTS = (
    "message",
    "MESSAGE",
    "Message",
    "@message",
    "log",
    "msg",
    "short_message",
    "full_message",
    "content",
    "line",
    "raw",
    "original",
    "body",
    "textPayload",
)
"""The fields with a record as text, or with the message of another program."""
FIELDS = (
    *TEXTS,
    "jsonPayload",
    "result",
    "event",
    "_source",
    "json",
    "data",
    "payload",
    "value",
    "record",
    "fields",
    "suricata",
    "suricata.eve",
    "eve",
    "zeek",
    "bro",
    "corelight",
)
"""The fields with a record as text or as an object."""
STREAMS = frozenset({
    "analyzer", "capture_loss", "conn", "dce_rpc", "dhcp", "dnp3", "dns", "dpd", "files", "ftp", "http",
    "intel", "irc", "kerberos", "known_certs", "known_hosts", "known_services", "ldap", "ldap_search",
    "modbus", "mysql", "notice", "ntlm", "ntp", "ocsp", "pe", "quic", "radius", "rdp", "reporter", "rfb",
    "sip", "smb_cmd", "smb_files", "smb_mapping", "smtp", "snmp", "socks", "software", "ssh", "ssl", "stats",
    "syslog", "telemetry", "traceroute", "tunnel", "weird", "websocket", "wireguard", "x509",
})  # fmt: skip
"""The names of Zeek's streams."""
UNCHANGED = re.compile(
    r"""\{(?:"timestamp": ?"[^"\\]*", ?(?:"flow_id": ?\d+, ?)?(?:"in_iface": ?"[^"\\]*", ?)?"event_type": ?"|"""
    r"""(?:"_path": ?"[^"\\]*", ?)?"ts": ?[^,{]*, ?"uid": ?"[^"\\]*", ?"id[._]orig_h": ?")"""
)
"""The beginning of records that Suricata and Zeek wrote. Skipping the decoding of these saves most of the time."""
CHANGED_MARKS = ('"_raw"', '"event.original"', '"flow.', '"netflow.')
ENDPOINTS = ("orig_h", "orig_p", "resp_h", "resp_p")
ZEEK_NAMES = (
    *(f"id{dot}{name}" for name in ENDPOINTS for dot in "._"),
    "conn_state",
    "history",
    "orig_pkts",
)
EVE_NAMES = ("timestamp", "flow_id", "src_ip", "flow", "netflow")
NESTED = ("flow", "netflow")
"""The nested objects of Suricata."""
SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
DURATION_PART = re.compile(r"(\d{1,12}(?:\.\d{1,12})?)(ms|us|µs|ns|w|d|h|m|s)")
DURATION = re.compile(rf"(?:{DURATION_PART.pattern})+")
Object = Mapping[str, object]


@dataclass(frozen=True)
class Unwrapped:
    """The content of a line.

    Attributes:
        text: The record as in a plain log, the rest of a damaged record, or the line itself.
        is_record: Whether the text is a record of a known kind.
        changed: Whether the text differs from the line.
    """

    text: bytes
    is_record: bool
    changed: bool


def unwrap_line(line: bytes) -> Unwrapped:
    """Return the record in a line.

    Args:
        line: The line without its line break.
    """
    found = _in_text(line.decode("utf-8", "replace"), MAX_DEPTH)
    if found is None:
        return Unwrapped(line, is_record=False, changed=False)
    return Unwrapped(found.text, found.is_record, found.changed)


def text_in(line: bytes) -> bytes | None:
    """Return the text in a shipper's field of an object, or None if there is no text or it has several lines."""
    if not line.startswith(b"{"):
        return None
    try:
        found = DECODER.decode(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    text = next(_texts(found, MAX_DEPTH), None) if isinstance(found, dict) else None
    if text is None:
        return None
    single = text.removesuffix("\n").removesuffix("\r")
    return None if "\n" in single else _bytes(single)


def _texts(found: Object, depth: int) -> Iterator[str]:
    values = [found[name] for name in (*ORIGINALS, *FIELDS) if name in found]
    yield from (value for value in values if isinstance(value, str) and value.strip())
    if depth:
        for value in values:
            if isinstance(value, dict):
                yield from _texts(value, depth - 1)


def _in_text(text: str, depth: int) -> Unwrapped | None:
    """Return the record in a text, or None if the text, without its prefix, is not an object."""
    bare = text.strip(BLANK)
    body = bare if bare.startswith("{") else _after_prefix(bare)
    if body is None:
        return None
    if depth < 0:
        return Unwrapped(TOO_DEEP, is_record=False, changed=True)
    is_plain = UNCHANGED.match(body) is not None and not any(name in body for name in CHANGED_MARKS)
    found = None if is_plain else _decoded(body)
    record = None if found is None else _in_object(found, depth)
    if record is None or record is found:
        is_record = is_plain or record is not None
        return Unwrapped(_bytes(body.replace("\n", " ")), is_record=is_record, changed=body != bare)
    if isinstance(record, Unwrapped):
        return record
    return Unwrapped(_bytes(ENCODER.encode(record)), is_record=True, changed=True)


def _decoded(body: str) -> Object | None:
    try:
        found: Object = DECODER.decode(body)
    except (ValueError, RecursionError):
        return None
    return found


def _after_prefix(text: str) -> str | None:
    rest = before_json(_bytes(text)) if "{" in text else None
    return None if rest is None else rest.decode("utf-8", "replace")


def _in_object(found: Object, depth: int) -> Object | Unwrapped | None:
    """Return the record in an object: the object itself, an object in it, or the text of one."""
    if depth < 0:
        return Unwrapped(TOO_DEEP, is_record=False, changed=True)
    is_record = _is_record(found)
    event = None if is_record else ecs_record(found)
    damaged: Unwrapped | None = None
    for name in _places(is_record=is_record, is_event=event is not None):
        inner = _in_value(found.get(name), depth)
        if isinstance(inner, Unwrapped) and not inner.is_record:
            damaged = damaged or inner
        elif inner is not None:
            return inner
    if is_record:
        return _flat(found)
    return event or _in_stream(found, depth) or damaged or _message_text(found)


def _places(*, is_record: bool, is_event: bool) -> tuple[str, ...]:
    """Return the fields of an object that may contain a record. In ECS events, only text fields may."""
    if is_record:
        return ORIGINALS
    # Objects in ECS events, such as `suricata.eve`, lack the values that were moved to fields of the event.
    return (*ORIGINALS, "event", *TEXTS) if is_event else (*ORIGINALS, *FIELDS)


def _in_value(value: object, depth: int) -> Object | Unwrapped | None:
    if isinstance(value, str):
        inner = _in_text(value, depth - 1)
        return inner and Unwrapped(inner.text, inner.is_record, changed=True)
    return _in_object(value, depth - 1) if isinstance(value, dict) else None


def _message_text(found: Object) -> Unwrapped | None:
    """Return the text in a shipper's field. Objects with `ts` are records of Zeek, which may have such fields."""
    if "ts" in found:
        return None
    text = next(
        (text for name in (*ORIGINALS, *TEXTS) if isinstance(text := found.get(name), str) and text.strip()), None
    )
    if text is None:
        return None
    return Unwrapped(_bytes(text.replace("\n", " ")), is_record=False, changed=True)


def _in_stream(found: Object, depth: int) -> Object | Unwrapped | None:
    """Return a record that is under the name of its stream, or under the only name in the object."""
    for name, value in found.items():
        stream = name.lower().removesuffix(".log").removeprefix("zeek").removeprefix("bro").lstrip("._-")
        if not isinstance(value, dict) or name in FIELDS or (stream not in STREAMS and len(found) > 1):
            continue
        if stream in STREAMS and "ts" in value and not {"_path", "@stream"} & value.keys():
            return _flat({"_path": stream, **value})
        inner = _in_object(value, depth - 1)
        if inner is not None:
            return inner
    return None


def _is_record(found: Object) -> bool:
    """Return whether an object is a record of Zeek or Suricata, of any kind, complete or damaged."""
    if isinstance(found.get("event_type"), str) and any(_has(found, name) for name in EVE_NAMES):
        return True
    if isinstance(found.get("_path"), str) or isinstance(found.get("@stream"), str):
        return True
    ends = found.get("id")
    nested = isinstance(ends, dict) and any(name in ends for name in ENDPOINTS)
    return nested or ("ts" in found and any(name in found for name in ZEEK_NAMES))


def _has(found: Object, name: str) -> bool:
    return name in found or any(other.startswith(f"{name}.") for other in found)


def _flat(found: Object) -> Object:
    """Return a record with the fields as the sensor writes them, or the object itself if nothing changes."""
    ends = found.get("id")
    if isinstance(ends, dict):
        flat = {f"id.{name}": ends[name] for name in ENDPOINTS if name in ends}
        flat |= {name: value for name, value in found.items() if name != "id"}
        return flat | {"duration": _seconds(flat["duration"])} if "duration" in flat else flat
    for group in NESTED:
        dotted = {name: value for name, value in found.items() if name.startswith(f"{group}.")}
        if dotted and group not in found and "event_type" in found:
            inner = {name.removeprefix(f"{group}."): value for name, value in dotted.items()}
            found = {name: value for name, value in found.items() if name not in dotted} | {group: inner}
    return found


def _seconds(value: object) -> object:
    """Return the seconds of a duration in the format of zq, such as `1m2.5s`, or any other value unchanged."""
    if not isinstance(value, str) or not DURATION.fullmatch(value):
        return value
    return sum(float(count) * SECONDS[unit] for count, unit in DURATION_PART.findall(value))


def _bytes(text: str) -> bytes:
    """Return a text as UTF-8. Lone surrogates become JSON escapes."""
    return text.encode("utf-8", "backslashreplace")


def _firsts(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return an object with the first value of each duplicate name, as the readers do."""
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    return dict(reversed(pairs))


def _reject_constant(constant: str) -> NoReturn:
    raise ValueError(constant)


BLANK = " \t\r\n\ufeff"
DECODER = json.JSONDecoder(object_pairs_hook=_firsts, parse_constant=_reject_constant)
ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
