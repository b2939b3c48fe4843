"""Write the bytecode of all that the image's programs import, and of nothing else.

Run once, while the image is made. The bytecode is unchecked: its sources are in a read-only layer.
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
    """Import what the image's programs do."""
    ours = [module.name for module in pkgutil.walk_packages(cybersec_assets.__path__, "cybersec_assets.")]
    for name in (*PROGRAMS, *(name for name in ours if ".migrations" not in name)):
        importlib.import_module(name)


def compile_imported() -> None:
    """Compile each imported file below /opt; the base's library has its bytecode, or is left alone.

    The Kubernetes client is left out: with its 20 MB of bytecode web server and daemon start a second sooner.
    """
    files = {getattr(module, "__file__", None) or "" for module in list(sys.modules.values())}
    ours = (file for file in files if file.endswith(".py") and Path(file).is_relative_to("/opt"))
    for file in sorted(file for file in ours if "/kubernetes/" not in file):
        py_compile.compile(file, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)


if __name__ == "__main__":
    import_all()
    compile_imported()
