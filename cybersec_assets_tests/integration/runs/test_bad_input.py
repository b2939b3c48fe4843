"""Bad input ends a phase with one clear line, a FAILED row, a failed step and no object."""

import gzip
import json

import dagster as dg
import polars as pl
import pytest

from cybersec_assets.definitions import build_definitions
from cybersec_assets.errors import SettingsError
from cybersec_assets.flows.clean import clean
from cybersec_assets.operations.run_day import result_of
from cybersec_assets_tests.conftest import DAY, stored_files
from cybersec_assets_tests.support.flows.logs import CSV, abortive_parquet

LINE = "{ts}\tC{n}\t10.0.0.1\t1025\t10.0.0.2\t443\ttcp\t-\t{duration}\t{sent}\t900\tSF\n"
FIELDS = "ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto service duration orig_bytes resp_bytes conn_state"
HEADER = "#separator \\x09\n#unset_field\t-\n#fields\t" + "\t".join(FIELDS.split()) + "\n"
MIDNIGHT = 1_767_312_000  # 2026-01-02 00:00 UTC


def line(number, **values):
    """Return one Zeek record."""
    return LINE.format(**({"ts": MIDNIGHT + number, "n": number, "duration": 0.5, "sent": 100 + number} | values))


@pytest.fixture
def log(tmp_path):
    """Write a Zeek log, and return a pattern that matches it."""

    def write(*lines, header=HEADER):
        file = tmp_path / f"conn.{DAY}.log"
        file.write_text(header + "".join(lines))
        return str(tmp_path / "conn.{date}.log")

    return write


def objects_of(settings):
    """Return the names of the objects in the folder store, without the audit's heads."""
    return [path.name for path in stored_files(settings)]


def assert_refused(materialize, settings, *words, config=None, quarantined=0):
    """Require that raw fails with one line that has some words; return its row. Only damaged lines may be stored."""
    result, rows = materialize(settings, run_config=config)
    (row,) = rows
    assert (row["asset"], row["estado"], row["uri"], row["records"]) == ("raw/network_events", "FAILED", "", 0)
    for word in words:
        assert word in row["error"]
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    message = failure.step_failure_data.user_failure_data
    assert (failure.step_key, message.description) == ("raw__network_events", row["error"])
    assert "\n" not in row["error"]
    kept = [pl.scan_parquet(path).select(pl.len()).collect().item() for path in stored_files(settings)]
    assert kept == ([quarantined] if quarantined else [])
    assert all(name.startswith("network_events_rejected_") for name in objects_of(settings))
    assert list(settings.run.scratch.iterdir()) == []
    return row


def test_the_undamaged_log_is_accepted(make_settings, materialize, log):
    """The record that the other tests damage is valid."""
    result, rows = materialize(make_settings(flows_uri=log(*map(line, range(300)))))
    assert result.success
    assert [row["records"] for row in rows] == [300] * 4


def test_no_file_for_the_day(make_settings, materialize, tmp_path):
    """The error names the pattern and the day."""
    settings = make_settings(flows_uri=f"{tmp_path}/none.{{date}}.log")
    assert_refused(materialize, settings, f"none.{DAY}.log", "Check FLOWS_URI")


def test_an_empty_file(make_settings, materialize, tmp_path):
    (tmp_path / "conn.log").touch()
    assert_refused(materialize, make_settings(flows_uri=f"{tmp_path}/conn.log"), "conn.log is empty")


def test_a_log_of_another_format_than_flows_format(make_settings, materialize, log):
    """If every line is damaged, the error suggests to check FLOWS_FORMAT."""
    settings = make_settings(flows_uri=log(*map(line, range(30))), flows_format="suricata")
    assert_refused(materialize, settings, "(100.0%, allowed 1.0%). Check FLOWS_FORMAT=suricata first", quarantined=33)


def test_a_log_without_records(make_settings, materialize, log):
    assert_refused(materialize, make_settings(flows_uri=log()), "not_empty", "sensor wrote flows")


def test_a_file_that_crashes_polars(make_settings, materialize, tmp_path):
    """A Parquet file that crashes its reader process fails the phase and leaves no files behind."""
    (tmp_path / "flows.parquet").write_bytes(abortive_parquet(CSV))
    settings = make_settings(flows_uri=f"{tmp_path}/flows.parquet")
    assert_refused(materialize, settings, f"{tmp_path}/flows.parquet cannot be read", "SIGABRT", "Restore the file")


def test_a_file_that_is_not_a_log(make_settings, materialize, shared_data):
    """The error quotes the file's text and lists the supported formats."""
    settings = make_settings(flows_uri=f"{shared_data}/zeek-hourly/text_file/conn.log")
    assert_refused(
        materialize,
        settings,
        "text_file/conn.log",
        "Lorem ipsum",
        "argus, aws_vpc, csv, ecs, nfdump, parquet, suricata, zeek, zeek_json",
    )


def test_a_truncated_gzip(make_settings, materialize, tmp_path):
    """The error names the truncated file among valid ones."""
    whole = gzip.compress("".join([HEADER, *map(line, range(20_000))]).encode())
    (tmp_path / "a.log.gz").write_bytes(whole)
    (tmp_path / "b.log.gz").write_bytes(whole[: len(whole) // 2])
    assert_refused(materialize, make_settings(flows_uri=f"{tmp_path}/*.gz"), "b.log.gz is a damaged gzip file")


def test_a_padded_gzip(make_settings, materialize, tmp_path):
    """Padding after gzip data is a note in the metadata, the log and the command's output, and no error."""
    packed = gzip.compress("".join([HEADER, *map(line, range(300))]).encode())
    for number in range(7):
        (tmp_path / f"{number}.log.gz").write_bytes(packed + bytes(512))
    result, rows = materialize(make_settings(flows_uri=f"{tmp_path}/*.gz"))
    assert rows[0]["records"] == 7 * 300
    expected = [f"{tmp_path}/{n}.log.gz: 512 zero bytes after the end of its gzip data are ignored" for n in range(7)]
    (raw,) = result.asset_materializations_for_node("raw__network_events")
    assert raw.metadata["source_notes"].value == expected
    notes = result_of(result.run_id, result.all_events).notes
    assert [note for note in notes if "ignored" in note] == expected[:5]
    assert "the same for 2 more files, which the run's log names" in notes


def test_a_missing_column(make_settings, materialize, log):
    settings = make_settings(flows_uri=log(header=HEADER.replace("duration", "lasting")))
    assert_refused(materialize, settings, f"conn.{DAY}.log has no column duration")


def test_a_value_that_does_not_parse(make_settings, materialize, log):
    """The error has the number of damaged lines, and the file, line, column and value of the first."""
    lines = [line(n) if n != 7 else line(n, duration="soon") for n in range(50)]
    words = (f"conn.{DAY}.log line 11: duration 'soon'", "1 of 50 lines", "2.0%, allowed 1.0%")
    assert_refused(materialize, make_settings(flows_uri=log(*lines)), *words, quarantined=1)


def test_few_damaged_lines_are_counted_and_shown(make_settings, materialize, log):
    lines = [line(n) if n != 7 else line(n, duration="soon") for n in range(500)]
    result, rows = materialize(make_settings(flows_uri=log(*lines)), ["raw/network_events"])
    (event,) = [event for event in result.all_events if event.is_step_materialization]
    metadata = event.materialization.metadata
    assert (rows[0]["records"], metadata["rejected_lines"].value) == (499, 1)
    assert "soon" in metadata["rejected_examples"].value
    counts = {"read": 503, "kept": 499, "quarantined": 1, "other": {"comment": 3}}
    assert rows[0]["lines"] == metadata["lines"].value == counts


def test_unknown_labels_are_reported(make_settings, materialize, tmp_path):
    """The metadata and the command list unknown labels with counts, truncated. No flow is lost."""
    labels = ["BenignTraffic"] * 300 + ["DDoS"] * 20 + ["Zyxx"] * 3 + ["w" * 200] * 2 + ["qqa", "qqb", "qqc", "qqd"]
    rows = [",".join((CSV | {"timestamp": f"{DAY}T00:00:00", "label": label}).values()) for label in labels]
    (tmp_path / "flows.csv").write_text("\n".join([",".join([*CSV, "label"]), *rows]))
    result, phases = materialize(make_settings(flows_uri=f"{tmp_path}/flows.csv"))
    (raw,) = result.asset_materializations_for_node("raw__network_events")
    cut = f"'{'w' * 80}…' (200 characters)"
    assert phases[0]["records"] == len(labels)
    assert raw.metadata["unlabelled_flows"].value == 9
    assert raw.metadata["unknown_labels"].value == {"'Zyxx'": 3, cut: 2} | {f"'qq{end}'": 1 for end in "abcd"}
    words = f"'Zyxx' (3), {cut} (2), 'qqa' (1), 'qqb' (1), …"
    expected = f"9 flows have labels with unknown words and count as unlabelled: {words}"
    assert expected in result_of(result.run_id, result.all_events).notes
    (evaluation,) = result.asset_materializations_for_node("gold__evaluation")
    assert "auroc" in evaluation.metadata


def test_a_day_of_other_events(make_settings, materialize, tmp_path):
    """The error and the audit have the same counts of the other events."""
    lines = [{"event_type": kind, "timestamp": "2026-01-02T00:00:00+0000"} for kind in ("stats", "alert", "stats")]
    (tmp_path / "eve.json").write_text("\n".join(map(json.dumps, lines)))
    settings = make_settings(flows_uri=f"{tmp_path}/eve.json")
    row = assert_refused(materialize, settings, "none of the 3 lines is a flow (2 stats, 1 alert)")
    assert row["lines"] == {"read": 3, "kept": 0, "quarantined": 0, "other": {"stats": 2, "alert": 1}}


def test_the_share_of_damaged_lines_is_configurable(make_settings, materialize, log):
    """max_rejected_share limits the damaged lines."""
    lines = [line(n) if n != 7 else line(n, duration="soon") for n in range(500)]
    config = {"ops": {"raw__network_events": {"config": {"max_rejected_share": 0.001}}}}
    assert_refused(materialize, make_settings(flows_uri=log(*lines)), "allowed 0.1%", config=config, quarantined=1)


def test_logs_of_another_day(make_settings, materialize, log):
    lines = [line(n, ts=MIDNIGHT - (n < 30)) for n in range(100)]
    assert_refused(
        materialize,
        make_settings(flows_uri=log(*lines)),
        "30 % of the flows are outside",
        "(limit 20 %) (rule within_day)",
        "max_outside_day",
    )


def test_a_fifth_outside_of_the_day_is_allowed(make_settings, materialize, log):
    lines = [line(n, ts=MIDNIGHT - (n < 20)) for n in range(100)]
    result, _ = materialize(make_settings(flows_uri=log(*lines)), ["raw/network_events"])
    assert result.success


@pytest.mark.parametrize(
    ("values", "message"), [({"sent": -5000}, "orig_bytes '-5000'"), ({"duration": -1.5}, "duration '-1.5'")]
)
def test_a_negative_volume(make_settings, materialize, log, values, message):
    lines = [line(n, **(values if n in {3, 4} else {})) for n in range(100)]
    settings = make_settings(flows_uri=log(*lines))
    assert_refused(materialize, settings, f"conn.{DAY}.log line 7: {message} does not parse", "2 of 100", quarantined=2)


def test_an_unknown_format(make_settings, log):
    """The error lists the known formats, and no run starts."""
    settings = make_settings(flows_uri=log(line(1)), flows_format="pcap")
    known = "auto, argus, aws_vpc, csv, ecs, nfdump, parquet, suricata, zeek, zeek_json, synthetic"
    with pytest.raises(SettingsError, match=f"FLOWS_FORMAT='pcap' is unknown. Use one of {known}"):
        build_definitions(settings)


def test_an_invalid_mapping_of_columns(make_settings, materialize, log):
    """The error lists the raw columns."""
    settings = make_settings(flows_uri=log(line(1)), flows_columns="octets=sbytes")
    assert_refused(
        materialize, settings, "FLOWS_COLUMNS: 'octets' is not a column of the raw layer", "Use timestamp, src"
    )


def test_silver_that_lost_rows_fails(settings, materialize, monkeypatch):
    """A cleaning step that loses rows fails its phase, and nothing is stored."""
    monkeypatch.setattr("cybersec_assets.defs.assets.silver.clean", lambda raw, _: clean(raw, 0).head(100))
    _, rows = materialize(settings)
    assert [row["estado"] for row in rows] == ["SUCCESS", "FAILED"]
    assert "has 100 rows, but raw has 2,000 and 0 were dropped" in rows[-1]["error"]
    assert "(rule rows_accounted_for)" in rows[-1]["error"]
    assert [name for name in objects_of(settings) if "silver" in name] == []


def test_an_unreachable_audit_prevents_all_work(make_settings, monkeypatch):
    """Nothing is read or stored, and the step's error names the cause."""
    monkeypatch.setattr("cybersec_assets.defs.resources.flow_source.FlowSource", lambda **_: pytest.fail("it read"))
    settings = make_settings(pg_host="127.0.0.1", pg_port=1)
    job = build_definitions(settings).resolve_job_def("daily_training")
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(partition_key=DAY, instance=instance, raise_on_error=False)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "127.0.0.1:1" in failure.step_failure_data.user_failure_data.description
    assert objects_of(settings) == []
