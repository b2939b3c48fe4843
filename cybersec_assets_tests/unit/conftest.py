"""An audit database of the test's own."""

import pytest

from cybersec_assets.audit.journal.journal import Journal
from cybersec_assets.definitions import audit_from


@pytest.fixture
def database(settings):
    """A fresh database with its schema."""
    with audit_from(settings).session() as resource:
        yield resource.connect()


@pytest.fixture
def journal(database):
    """What writes to it."""
    return Journal(database)
