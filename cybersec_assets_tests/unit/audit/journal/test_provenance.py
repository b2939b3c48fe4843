"""Every row has the versions of the code and of the libraries that actually made it."""

import platform
import shutil
import subprocess
import sys
from importlib.metadata import version

import numpy as np
import polars as pl
import pytest
import sklearn

from cybersec_assets import __version__
from cybersec_assets.audit.journal import provenance
from cybersec_assets.audit.journal.provenance import LIBRARIES, code_version, library_versions
from cybersec_assets.definitions import audit_from

ASK = "from cybersec_assets.audit.journal.provenance import code_version; print(code_version())"


@pytest.fixture
def copy(tmp_path):
    """Return a copy of the package's sources that a test may change."""
    skip = shutil.ignore_patterns("__pycache__")
    return shutil.copytree(provenance.PACKAGE, tmp_path / "cybersec_assets", ignore=skip)


def version_of(copy):
    """Return the code version of a copy of the package, from its own process."""
    command = [sys.executable, "-B", "-c", ASK]
    done = subprocess.run(command, cwd=copy.parent, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_code_version_is_the_release_and_a_hash():
    release, _, digest = code_version().partition("+")
    assert release == __version__
    assert len(digest) == 16
    assert int(digest, 16) >= 0
    assert code_version() == code_version.__wrapped__()


def test_only_sources_affect_the_code_version(copy):
    before = version_of(copy)
    (copy / "notes.txt").write_text("no source")
    assert version_of(copy) == before


@pytest.mark.parametrize("change", ["a byte", "a file more", "a name"])
def test_every_change_of_the_sources_changes_the_code_version(copy, change):
    before = version_of(copy)
    file = copy / "errors.py"
    if change == "a byte":
        file.write_text(file.read_text() + "#")
    elif change == "a file more":
        (copy / "audit" / "more.py").touch()
    else:
        file.rename(file.with_name("rules.py"))
    assert version_of(copy) != before


def test_library_versions_are_those_of_the_imported_modules():
    versions = library_versions()
    assert set(versions) == {"python", *LIBRARIES}
    assert (versions["python"], versions["dagster"]) == (platform.python_version(), version("dagster"))
    assert (versions["numpy"], versions["polars"], versions["scikit-learn"]) == (
        np.__version__,
        pl.__version__,
        sklearn.__version__,
    )


def test_all_rows_of_a_day_have_code_version_and_libraries(settings, materialize):
    _, rows = materialize(settings)
    assert [(row["code_version"], row["libraries"]) for row in rows] == [(code_version(), library_versions())] * 4
    with audit_from(settings).session() as audit:
        record = audit.ask().input_of("another run", rows[2]["asset"], rows[2]["partition_key"])
    assert record.libraries == library_versions()
