"""Flatten network events of the Elastic Common Schema to the dotted fields that flows need.

The schema is in https://www.elastic.co/guide/en/ecs/current/ecs-field-reference.html. Filebeat's modules for Zeek and
Suricata add fields below `zeek` and `suricata.eve`. Elasticsearch treats `{"source": {"ip": …}}` and `{"source.ip": …}`
as equal, and documents mix both. `readers.ecs` decides which events are flows.
"""

from collections.abc import Mapping
from itertools import accumulate

TIMES = ("@timestamp", "event.start")
ENDS = (
    "source.ip",
    "source.address",
    "destination.ip",
    "destination.address",
)
MARKS = (*ENDS, "network.transport", "network.bytes")
"""A network event has a time and at least one of these fields."""
NAMES = (
    *TIMES,
    *ENDS,
    "event.end",
    "event.duration",
    "event.dataset",
    "event.action",
    "event.id",
    "data_stream.dataset",
    "source.port",
    "destination.port",
    "source.bytes",
    "destination.bytes",
    "source.packets",
    "destination.packets",
    "network.transport",
    "network.iana_number",
    "network.protocol",
    "network.application",
    "network.bytes",
    "zeek.session_id",
    "zeek.connection.state",
    "suricata.eve.event_type",
    "suricata.eve.flow_id",
    "suricata.eve.flow.state",
    "suricata.eve.flow.alerted",
)
"""The fields that are read."""
Object = Mapping[str, object]


def ecs_record(found: Object) -> Object | None:
    """Return the fields of an event by their dotted names, or None if the object is not a network event."""
    if not ({"source", "destination", "network"} & {name.partition(".")[0] for name in found}):
        return None
    flat = {name: value for name in NAMES if (value := _get(found, name)) is not None}
    if not any(name in flat for name in TIMES) or not any(name in flat for name in MARKS):
        return None
    return flat


def _get(found: Object, path: str) -> object:
    """Return a field, or None if it is missing. Each dot in its name may or may not be a level."""
    if path in found:
        return found[path]
    parts = path.split(".")
    for size, head in enumerate(list(accumulate(parts, lambda above, name: f"{above}.{name}"))[:-1], 1):
        inner = found.get(head)
        if isinstance(inner, Mapping) and (value := _get(inner, ".".join(parts[size:]))) is not None:
            return value
    return None
