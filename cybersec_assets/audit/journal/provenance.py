"""The versions that made an artifact: those of the project's code, and of the libraries that affect its result."""

import hashlib
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path

import cybersec_assets
from cybersec_assets import __version__

PACKAGE = Path(cybersec_assets.__file__).parent
LIBRARIES = ("dagster", "numpy", "polars", "scikit-learn", "scipy")


@cache
def code_version() -> str:
    """Return the release and the first 16 hex digits of its sources' SHA-256, because a checkout may be modified."""
    digest = hashlib.sha256()
    for file in sorted(PACKAGE.rglob("*.py")):
        digest.update(f"{file.relative_to(PACKAGE).as_posix()}\0".encode() + file.read_bytes() + b"\0")
    return f"{__version__}+{digest.hexdigest()[:16]}"


@cache
def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries."""
    return {"python": platform.python_version()} | {name: version(name) for name in LIBRARIES}
