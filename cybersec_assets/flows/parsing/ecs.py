"""Network events in the Elastic Common Schema, with the fields that flows need under dotted names.

The schema: https://www.elastic.co/guide/en/ecs/current/ecs-field-reference.html; what Filebeat's modules for Zeek and
Suricata add to it is below `zeek` and `suricata.eve`. Elasticsearch takes `{"source": {"ip": …}}` and
`{"source.ip": …}` for the same, and documents mix both. What belongs elsewhere: which events are flows (`readers.ecs`).
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
"""One of these has to be there beside a time."""
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
"""What is read of an event."""
Object = Mapping[str, object]


def ecs_record(found: Object) -> Object | None:
    """Return an event's fields under their dotted names, or None where an object is no network event of the schema."""
    if not ({"source", "destination", "network"} & {name.partition(".")[0] for name in found}):
        return None
    flat = {name: value for name in NAMES if (value := _get(found, name)) is not None}
    if not any(name in flat for name in TIMES) or not any(name in flat for name in MARKS):
        return None
    return flat


def _get(found: Object, path: str) -> object:
    """Return a field, whichever of the dots in its name are levels; None where it is not there."""
    if path in found:
        return found[path]
    parts = path.split(".")
    for size, head in enumerate(list(accumulate(parts, lambda above, name: f"{above}.{name}"))[:-1], 1):
        inner = found.get(head)
        if isinstance(inner, Mapping) and (value := _get(inner, ".".join(parts[size:]))) is not None:
            return value
    return None
