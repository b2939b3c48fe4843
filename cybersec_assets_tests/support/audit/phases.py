"""Phases that tests write down without a store: objects that nobody has, and facts that are made up."""

from itertools import count

from cybersec_assets.artifact import Artifact, Fingerprint
from cybersec_assets.phases import EVALUATION, MODEL
from cybersec_assets_tests.conftest import DAY

LOCKS = count(1)
"""Numbers for phases whose worker nobody asks after; two phases never share one."""


def make_object(name, bucket="bucket"):
    """Name an object that no store has."""
    return Artifact(f"s3://{bucket}/{name}", Fingerprint(len(name), name.encode().hex().ljust(64, "0")[:64]))


def facts_of(asset, records=9):
    """Give what an asset's phase notes."""
    if asset == EVALUATION.asset:
        return {"metrics": {"flows": records}, "model": "m", "dataset": "d"}
    return {"records": records} | ({"parameters": {}} if asset == MODEL.asset else {})


def start(journal, asset, day=DAY, run_id="run-1"):
    """Start a phase."""
    return journal.start(run_id, asset, day, next(LOCKS))


def succeed(journal, asset, name, *, day=DAY, run_id="run-1", inputs=(), records=9):
    """Start a phase that reads some objects, by their asset, and end it with SUCCESS; give its object."""
    phase, made = start(journal, asset, day, run_id), make_object(name)
    for upstream, artifact in inputs:
        phase.read(upstream, artifact)
    phase.facts |= facts_of(asset, records)
    journal.succeed(phase, made)
    return made


def fail(journal, asset, error="it broke", *, day=DAY, run_id="run-1"):
    """Start a phase, and end it with FAILED; give the entry."""
    return journal.fail(start(journal, asset, day, run_id), ValueError(error))
