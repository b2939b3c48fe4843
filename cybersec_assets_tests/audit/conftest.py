"""An audit database of the test's own."""

import pytest

from cybersec_assets.audit.journal import Journal
from cybersec_assets.definitions import audit_from


@pytest.fixture
def engine(settings):
    """An engine for a fresh database with its schema."""
    with audit_from(settings).session() as resource:
        yield resource.engine()


@pytest.fixture
def journal(engine):
    """The journal of run `run-1`."""
    return Journal(engine, "run-1")
