"""Phases without a store: their objects do not exist, and their facts are arbitrary."""

from itertools import count

from cybersec_assets.artifact import Artifact, Fingerprint
from cybersec_assets.phases import EVALUATION, MODEL
from cybersec_assets_tests.conftest import DAY

LOCKS = count(1)
"""Lock numbers of phases without a worker; every phase has its own."""


def make_object(name, bucket="bucket"):
    """Return an object that is in no store."""
    return Artifact(f"s3://{bucket}/{name}", Fingerprint(len(name), name.encode().hex().ljust(64, "0")[:64]))


def facts_of(asset, records=9):
    """Return the facts of an asset's phase."""
    if asset == EVALUATION.asset:
        return {"metrics": {"flows": records}, "model": "m", "dataset": "d"}
    return {"records": records} | ({"parameters": {}} if asset == MODEL.asset else {})


def start(journal, asset, day=DAY, run_id="run-1"):
    """Start a phase."""
    return journal.start(run_id, asset, day, next(LOCKS))


def succeed(journal, asset, name, *, day=DAY, run_id="run-1", inputs=(), records=9):
    """Start a phase that reads some objects, by their asset, end it with SUCCESS, and return its object."""
    phase = start(journal, asset, day, run_id)
    made = make_object(name)
    for upstream, artifact in inputs:
        phase.read(upstream, artifact)
    phase.facts |= facts_of(asset, records)
    journal.succeed(phase, made)
    return made


def fail(journal, asset, error="it broke", *, day=DAY, run_id="run-1"):
    """Start a phase, end it with FAILED, and return the entry."""
    return journal.fail(start(journal, asset, day, run_id), ValueError(error))
