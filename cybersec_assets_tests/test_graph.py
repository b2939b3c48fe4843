"""The whole graph on an ephemeral instance, and what audit, store and Dagster say of it afterwards."""

import dagster as dg

from cybersec_assets.definitions import audit_from, build_definitions
from cybersec_assets_tests.conftest import DAY


def test_a_day_becomes_four_audited_objects(settings):
    """Each phase ends with one SUCCESS row that names an object in its bucket."""
    with dg.DagsterInstance.ephemeral() as instance:
        job = build_definitions(settings).resolve_job_def("daily_training")
        result = job.execute_in_process(partition_key=DAY, instance=instance)
    with audit_from(settings).session() as audit:
        rows = audit.ask().of_run(result.run_id)
    assert [row["estado"] for row in rows] == ["SUCCESS"] * 4
    assert [row["records"] for row in rows] == [2_000] * 4
