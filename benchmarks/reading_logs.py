"""Write the logs that reading is measured on: real records, repeated up to the size of a busy day.

`python -m benchmarks.reading_logs KIND FILE TIMES` writes one log. It runs in a separate process, because its memory
would count for every process that it starts later.

The real records are in CYBERSEC_TEST_DATA, or in `shared/data` beside the checkout. Without them, Zeek's records are
generated.
"""

import gzip
import json
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.child import CHECKOUT

GENERATED = 105_918
FIELDS = {
    "ts": "time",
    "uid": "string",
    "id.orig_h": "addr",
    "id.orig_p": "port",
    "id.resp_h": "addr",
    "id.resp_p": "port",
    "proto": "enum",
    "service": "string",
    "duration": "interval",
    "orig_bytes": "count",
    "resp_bytes": "count",
    "conn_state": "string",
    "orig_pkts": "count",
    "resp_pkts": "count",
}
NUMBERS = {"time": float, "interval": float, "count": int, "port": int}


def data() -> Path:
    """Return the folder of real logs, which may be missing."""
    return Path(os.environ.get("CYBERSEC_TEST_DATA") or CHECKOUT.parent / "shared" / "data")


def zeek_lines() -> tuple[list[str], list[str]]:
    """Return the header lines and the records of a Zeek log."""
    files = sorted((data() / "zeek-hourly" / "three-days").glob("*/conn.*.log.gz"))
    lines = [line for file in files for line in gzip.decompress(file.read_bytes()).decode().splitlines(keepends=True)]
    lines = lines or [*_generated_header(), *_generated_records()]
    records = [line for line in lines if not line.startswith("#")]
    return lines[: lines.index(records[0])], records


def _generated_header() -> Iterator[str]:
    yield "#separator \\x09\n"
    yield "#empty_field\t(empty)\n"
    yield "#unset_field\t-\n"
    yield "\t".join(["#fields", *FIELDS]) + "\n"
    yield "\t".join(["#types", *FIELDS.values()]) + "\n"


def _generated_records() -> Iterator[str]:
    chance = random.Random(42)
    for number in range(GENERATED):
        time = f"{1_713_484_800 + number * 0.8:.6f}"
        uid = f"C{chance.getrandbits(96):x}"
        source, target = (
            f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}" for n in (chance.getrandbits(20), chance.getrandbits(22))
        )
        ports = str(chance.randrange(1024, 65_536)), chance.choice(["53", "80", "443"])
        volumes = f"{chance.expovariate(1):.6f}", *(str(chance.randrange(1 << 14)) for _ in range(2))
        packets = (str(chance.randrange(1, 20)) for _ in range(2))
        row = time, uid, source, ports[0], target, ports[1], "tcp", "-", *volumes, "SF", *packets
        yield "\t".join(row) + "\n"


def write_zeek(to: Path, times: int) -> None:
    """Write a Zeek log that repeats its records."""
    header, records = zeek_lines()
    body = "".join(records).encode()
    with to.open("wb") as log:
        log.write("".join(header).encode())
        for _ in range(times):
            log.write(body)


def write_zeek_packed(to: Path, times: int) -> None:
    """Write the same log compressed with gzip."""
    with tempfile.NamedTemporaryFile() as plain, gzip.open(to, "wb", compresslevel=1) as packed:
        write_zeek(Path(plain.name), times)
        shutil.copyfileobj(plain, packed, 1 << 20)


def write_zeek_json(to: Path, times: int) -> None:
    """Write the records of a Zeek log as JSON."""
    header, records = zeek_lines()
    fields = dict(line.rstrip("\n").split("\t", 1) for line in header if "\t" in line)
    names = fields["#fields"].split("\t")
    readers = [NUMBERS.get(kind, str) for kind in fields["#types"].split("\t")]
    body = "".join(
        json.dumps(
            {
                name: read(text)
                for name, read, text in zip(names, readers, line.rstrip("\n").split("\t"), strict=True)
                if text != "-"
            },
            separators=(",", ":"),
        )
        + "\n"
        for line in records
    )
    to.write_text(body * times)


def write_eve(to: Path, times: int) -> None:
    """Write Suricata's events."""
    to.write_bytes((data() / "suricata" / "eve.json").read_bytes() * times)


WRITERS = {
    "zeek": write_zeek,
    "zeek_packed": write_zeek_packed,
    "zeek_json": write_zeek_json,
    "eve": write_eve,
}


if __name__ == "__main__":
    kind, file, count = sys.argv[1:]
    WRITERS[kind](Path(file), int(count))
