"""What the tests of several readers share."""

import pytest

from cybersec_assets_tests.support.flows.json_logs import lines
from cybersec_assets_tests.support.flows.logs import read, write


@pytest.fixture
def log(tmp_path):
    """Write records as JSON, and give what was kept of them and what was not."""
    return lambda *records, **options: read(write(tmp_path / "log", lines(*records), **options))
