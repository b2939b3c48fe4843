"""Every row says which code and which libraries made it, by what is on the disk and not by what was meant."""

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
    """A copy of the package's sources, in which a test may change something."""
    skip = shutil.ignore_patterns("__pycache__")
    return shutil.copytree(provenance.PACKAGE, tmp_path / "cybersec_assets", ignore=skip)


def version_of(copy):
    """Ask a copy of the package, in a process of its own, for its version."""
    command = [sys.executable, "-B", "-c", ASK]
    done = subprocess.run(command, cwd=copy.parent, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_code_version_is_the_release_and_the_sources():
    """The release is followed by 16 hexadecimal digits, and is the same whenever it is asked for."""
    release, _, digest = code_version().partition("+")
    assert release == __version__
    assert len(digest) == 16
    assert int(digest, 16) >= 0
    assert code_version() == code_version.__wrapped__()


def test_the_code_version_is_of_the_sources_alone(copy):
    """The same sources elsewhere have the same version, whatever else lies beside them."""
    before = version_of(copy)
    (copy / "notes.txt").write_text("no source")
    assert version_of(copy) == before


@pytest.mark.parametrize("change", ["a byte", "a file more", "a name"])
def test_every_change_of_the_sources_is_another_code_version(copy, change):
    """A changed, added or renamed source file gives another version, in a checkout as in a release."""
    before, file = version_of(copy), copy / "errors.py"
    if change == "a byte":
        file.write_text(file.read_text() + "#")
    elif change == "a file more":
        (copy / "audit" / "more.py").touch()
    else:
        file.rename(file.with_name("rules.py"))
    assert version_of(copy) != before


def test_the_libraries_are_those_that_run():
    """The versions are those of the modules that are imported, and of this Python."""
    told = library_versions()
    assert set(told) == {"python", *LIBRARIES}
    assert (told["python"], told["dagster"]) == (platform.python_version(), version("dagster"))
    assert (told["numpy"], told["polars"], told["scikit-learn"]) == (
        np.__version__,
        pl.__version__,
        sklearn.__version__,
    )


def test_every_row_says_what_made_it(settings, materialize):
    """Code version and libraries stand in all four rows of a day, and what is read of an object has them, too."""
    _, rows = materialize(settings)
    assert [(row["code_version"], row["libraries"]) for row in rows] == [(code_version(), library_versions())] * 4
    with audit_from(settings).session() as audit:
        record = audit.ask().input_of("another run", rows[2]["asset"], rows[2]["partition_key"])
    assert record.libraries == library_versions()
