"""The installed command, as a shell starts it."""

import json
import subprocess
import sys
from pathlib import Path

from cybersec_assets_tests.conftest import DAY

COMMAND = Path(sys.executable).parent / "cybersec"


def test_run_with_a_wrong_secret_key(bench, monkeypatch, tmp_path):
    """`cybersec run` exits with 2 and one line that names the variables to check, without a traceback."""
    monkeypatch.setenv("MINIO_SECRET_KEY", "wrong-wrong-wrong")
    command = [str(COMMAND), "run", "--json", "--date", DAY]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    (message,) = json.loads(done.stdout)["errors"]
    assert "MINIO_ACCESS_KEY and MINIO_SECRET_KEY" in message
    assert done.stderr == f"error: {message}\n"
    assert "Traceback" not in done.stdout + done.stderr
    assert bench.objects() == {}
