"""Compile the modules that the image's programs import, and no others.

This runs once, while the image is built. The bytecode is unchecked, because its sources are in a read-only layer.
"""

import importlib
import pkgutil
import py_compile
import sys
from pathlib import Path

import cybersec_assets

PROGRAMS = (
    "alembic.command",
    "dagster._cli",
    "dagster._daemon.cli",
    "dagster._core.workspace.autodiscovery",
    "dagster._grpc.server",
    "dagster._utils.test.definitions",
    "dagster_aws.s3.compute_log_manager",
    "dagster_k8s.launcher",
    "dagster_postgres.storage",
    "dagster_webserver.cli",
    "matplotlib.backends.backend_agg",
    "matplotlib.figure",
    "psycopg2",
    "sklearn.ensemble",
    "sklearn.pipeline",
    "sqlalchemy.dialects.postgresql.psycopg2",
)


def import_all() -> None:
    """Import every module that the image's programs import."""
    ours = [module.name for module in pkgutil.walk_packages(cybersec_assets.__path__, "cybersec_assets.")]
    for name in (*PROGRAMS, *(name for name in ours if ".migrations" not in name)):
        importlib.import_module(name)


def compile_imported() -> None:
    """Compile each imported file below /opt, but not the base image's standard library.

    The Kubernetes client is left out: its bytecode takes 20 MB and saves the web server and the daemon one second.
    """
    files = {getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}
    ours = (file for file in files if file.endswith(".py") and Path(file).is_relative_to("/opt"))
    for file in sorted(file for file in ours if "/kubernetes/" not in file):
        py_compile.compile(file, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


if __name__ == "__main__":
    import_all()
    compile_imported()
