"""Every real log file is used by a test: one that compares it with plain Python, or one that rejects it."""

from cybersec_assets_tests.unit.flows import test_real_logs as logs
from cybersec_assets_tests.unit.flows import test_real_sets as sets
from cybersec_assets_tests.unit.flows.readers.zeek import test_real_json as json_logs

TESTED = {
    *logs.ZEEK,
    *logs.DAMAGED,
    *logs.NO_LOGS,
    *json_logs.ZEEK,
    json_logs.CUT,
    json_logs.SURICATA,
    sets.NSL_KDD_FILE,
    *sets.ADBENCH_ROWS,
}
HOURLY = [f"zeek-hourly/three-days/{day}/{kind}.*.log.gz" for day in logs.ROWS for kind in ("conn", "open_conn")]
DESCRIBES = "README.md"


def test_every_file_is_in_a_test(shared_data):
    """This fails for a new file that no test lists, and for a listed file that is gone."""
    files = {str(path.relative_to(shared_data)) for path in shared_data.rglob("*") if path.is_file()}
    hourly = {str(path.relative_to(shared_data)) for pattern in HOURLY for path in shared_data.glob(pattern)}
    assert len(hourly) == len(HOURLY) * 24
    assert files - hourly - {DESCRIBES} == TESTED
