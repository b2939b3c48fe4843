"""Each import rule breaks when what it forbids is written: a rule that cannot break guards nothing."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
PACKAGE = "cybersec_assets"
FORBIDDEN = {
    "Data flows one way": ("flows/schema.py", "import cybersec_assets.features"),
    "The domain knows nothing of Dagster, S3 or SQL": ("model/train.py", "import sqlalchemy"),
    "The audit knows only SQL": ("audit/phase.py", "import polars"),
    "The stores know only objects": ("stores/base.py", "import polars"),
    "The audit's check shares no code with what it checks": (
        "verify/chain.py",
        "import cybersec_assets.audit.journal.journal",
    ),
}


@pytest.fixture
def copy(tmp_path):
    """A copy of the package and its rules."""
    shutil.copytree(CHECKOUT / PACKAGE, tmp_path / PACKAGE, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "pyproject.toml", tmp_path)
    return tmp_path


def broken_rules(folder):
    """Give the names of the rules that a package breaks."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False)
    assert "Contracts: " in done.stdout, done.stderr
    broken = {line.partition(" BROKEN")[0] for line in done.stdout.splitlines() if " BROKEN" in line}
    assert done.returncode == bool(broken)
    return broken


def test_every_rule_is_tried():
    """A rule that comes in later needs its breach here."""
    contracts = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert [contract["name"] for contract in contracts] == list(FORBIDDEN)


@pytest.mark.parametrize("rule", FORBIDDEN)
def test_a_rule_breaks(copy, rule):
    """An import that a rule forbids breaks it."""
    file, statement = FORBIDDEN[rule]
    path = copy / PACKAGE / file
    path.write_text(f"{path.read_text()}\n{statement}\n")
    assert broken_rules(copy) >= {rule}


def test_no_rule_is_broken(copy):
    """As it stands the package breaks none."""
    assert broken_rules(copy) == set()
