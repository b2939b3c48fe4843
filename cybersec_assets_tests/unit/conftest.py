"""An audit database for one test."""

import pytest

from cybersec_assets.audit.journal.journal import Journal
from cybersec_assets.definitions import audit_from


@pytest.fixture
def database(settings):
    """Yield a fresh database with its schema."""
    with audit_from(settings).session() as resource:
        yield resource.connect()


@pytest.fixture
def journal(database):
    return Journal(database)
