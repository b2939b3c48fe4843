"""Generate the traffic of a synthetic network in a slice of a day: ordinary traffic and four kinds of attack.

`flows` combines the slices to a day.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import polars as pl

TABLE_SIZE = 2**18
"""The size of a sampling table: the rarest of 16,000 addresses still gets an entry."""
Columns = dict[str, np.ndarray | pl.Series | float | str]
"""The values of each column by name. A single value applies to every flow."""

SERVICES = pl.DataFrame(
    {
        "service": ["ssl", "dns", "http", "ntp", "ssh"],
        "protocol": ["tcp", "udp", "tcp", "udp", "tcp"],
        "dst_port": [443, 53, 80, 123, 22],
        "sent": [900, 45, 1_800, 48, 2_500],
        "received": [9_000, 130, 24_000, 48, 4_000],
        "seconds": [1.5, 0.04, 4.0, 0.02, 12.0],
    }
)
"""The services that clients use, with the median bytes and seconds of a flow."""
SERVICE_WEIGHTS = (0.45, 0.3, 0.1, 0.1, 0.05)
STATES = pl.Series(["SF", "S1", "RSTO"])
STATE_WEIGHTS = (0.93, 0.04, 0.03)


@dataclass(frozen=True)
class Slice:
    """A part of a day.

    Attributes:
        random: The random generator of the slice.
        begin: The start, in seconds since midnight.
        end: The end, in seconds since midnight.
    """

    random: np.random.Generator
    begin: float
    end: float

    def moments(self, count: int) -> np.ndarray:
        """Return uniformly distributed times, in seconds since midnight."""
        return self.random.uniform(self.begin, self.end, count)

    def sorted_moments(self, count: int) -> np.ndarray:
        """Return sorted, uniformly distributed times. Drawing exponential gaps is faster than sorting."""
        gaps = self.random.standard_exponential(count + 1).cumsum()
        moments: np.ndarray = self.begin + (self.end - self.begin) * (gaps[:-1] / gaps[-1])
        return moments

    def sample(self, table: np.ndarray, count: int) -> np.ndarray:
        """Return random entries of a sampling table."""
        drawn: np.ndarray = table[self.random.integers(0, len(table), count)]
        return drawn

    def volumes(self, count: int, median: float, spread: float) -> np.ndarray:
        """Return log-normal amounts, limited to 2^50."""
        drawn = self.random.lognormal(np.log(median), spread, count)
        return np.minimum(drawn, 2.0**50)


def normal(part: Slice, count: int) -> Columns:
    """Return flows of clients in three subnets that use five services."""
    used = SERVICES[part.sample(_table(SERVICE_WEIGHTS), count)]
    return {
        **used.select("service", "protocol", "dst_port").to_dict(),
        "second": part.sorted_moments(count),
        "src_ip": _addresses(part, count, "10.0", 3, 200),
        "dst_ip": _addresses(part, count, "203.0", 64, 250),
        "src_port": part.random.integers(32_768, 60_999, count),
        "conn_state": STATES[part.sample(_table(STATE_WEIGHTS), count)],
        "orig_bytes": (used["sent"].to_numpy() * part.volumes(count, 1, 1.0)).astype(np.int64),
        "resp_bytes": (used["received"].to_numpy() * part.volumes(count, 1, 1.4)).astype(np.int64),
        "orig_packets": 1 + part.sample(_table(_poisson(6)), count).astype(np.int64),
        "resp_packets": 1 + part.sample(_table(_poisson(8)), count).astype(np.int64),
        "duration": np.round(used["seconds"].to_numpy() * part.volumes(count, 1, 1.1), 6),
    }


def _attack(part: Slice, count: int, **columns: np.ndarray | float | str) -> Columns:
    """Return the flows of an attack, with defaults for the columns that it does not set."""
    defaults: Columns = {
        "second": part.moments(count),
        "src_port": part.random.integers(32_768, 60_999, count),
        "protocol": "tcp",
        "conn_state": "SF",
        "orig_packets": 4,
        "resp_packets": 4,
    }
    return defaults | columns


def _beaconing(part: Slice, count: int) -> Columns:
    """Return flows of an infected host that contacts its server at regular intervals with few bytes."""
    regular = np.linspace(part.begin, part.end, count, endpoint=False)
    return _attack(
        part,
        count,
        second=np.clip(regular + part.random.normal(0, 0.2, count), part.begin, np.nextafter(part.end, 0)),
        src_ip="10.0.1.66",
        dst_ip="198.51.100.23",
        dst_port=8443,
        service="ssl",
        orig_bytes=part.random.integers(180, 220, count),
        resp_bytes=part.random.integers(90, 110, count),
        duration=np.round(part.random.normal(300, 2, count), 6),
    )


def _port_scan(part: Slice, count: int) -> Columns:
    """Return flows of a host that probes every port of another in a short time without an answer."""
    begin = part.random.uniform(part.begin, part.end - (part.end - part.begin) / 20)
    return _attack(
        part,
        count,
        second=np.linspace(begin, begin + (part.end - part.begin) / 20, count, endpoint=False),
        src_ip="192.0.2.77",
        dst_ip="10.0.0.10",
        dst_port=1 + np.arange(count) % 65_535,
        conn_state="S0",
        orig_bytes=0,
        resp_bytes=0,
        orig_packets=1,
        resp_packets=0,
        duration=np.round(part.random.uniform(1e-6, 5e-5, count), 6),
    )


def _exfiltration(part: Slice, count: int) -> Columns:
    """Return few, long flows that send gigabytes to one host."""
    return _attack(
        part,
        count,
        src_ip="10.0.2.31",
        dst_ip="198.51.100.200",
        dst_port=443,
        service="ssl",
        orig_bytes=part.volumes(count, 4e8, 0.8).astype(np.int64),
        resp_bytes=part.random.integers(2_000, 90_000, count),
        orig_packets=part.random.integers(100_000, 900_000, count),
        resp_packets=part.random.integers(50_000, 400_000, count),
        duration=np.round(part.volumes(count, 900, 0.5), 6),
    )


def _brute_force(part: Slice, count: int) -> Columns:
    """Return flows of a host that guesses passwords of an SSH server."""
    return _attack(
        part,
        count,
        src_ip="192.0.2.140",
        dst_ip="10.0.0.22",
        dst_port=22,
        service="ssh",
        conn_state="RSTO",
        orig_bytes=part.random.integers(1_900, 2_100, count),
        resp_bytes=part.random.integers(2_600, 2_800, count),
        orig_packets=part.random.integers(14, 18, count),
        resp_packets=part.random.integers(14, 18, count),
        duration=np.round(part.random.normal(2.2, 0.1, count), 6),
    )


ATTACKS: tuple[Callable[[Slice, int], Columns], ...] = (_beaconing, _port_scan, _exfiltration, _brute_force)


def _addresses(part: Slice, count: int, prefix: str, subnets: int, hosts: int) -> pl.Series:
    """Return random addresses. Few occur often and most rarely, as in real networks."""
    names, table = _network(prefix, subnets, hosts)
    return names[part.sample(table, count)]


@cache
def _network(prefix: str, subnets: int, hosts: int) -> tuple[pl.Series, np.ndarray]:
    names = pl.Series([f"{prefix}.{subnet}.{host}" for subnet in range(subnets) for host in range(1, hosts)])
    return names, _table(tuple(1 / np.arange(1, len(names) + 1)))


@cache
def _poisson(mean: float) -> tuple[float, ...]:
    """Return the weights of 0, 1, 2, … in a Poisson distribution."""
    return tuple(np.cumprod([1, *(mean / np.arange(1, 5 * mean))]))


@cache
def _table(weights: tuple[float, ...]) -> np.ndarray:
    """Return a sampling table, in which each index occurs in proportion to its weight."""
    ends = np.round(np.cumsum(weights) / np.sum(weights) * TABLE_SIZE).astype(int)
    return np.repeat(np.arange(len(weights), dtype=np.uint16), np.diff(ends, prepend=0))
