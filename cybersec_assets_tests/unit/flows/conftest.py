"""Fixtures for the tests of several readers."""

import pytest

from cybersec_assets_tests.support.flows.json_logs import lines
from cybersec_assets_tests.support.flows.logs import read, write


@pytest.fixture
def log(tmp_path):
    """Write records as JSON, and return the kept and the rejected ones."""
    return lambda *records, **options: read(write(tmp_path / "log", lines(*records), **options))
