"""A user who may launch runs cannot read secrets: 200 launches, and a search of everything that they wrote."""

import json
import random
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.instance.ref import InstanceRef

from cybersec_assets.definitions import audit_from, build_definitions
from cybersec_assets.defs.resources.flow_source import FlowSourceResource
from cybersec_assets.settings import FlowSettings
from cybersec_assets_tests.conftest import CHECKOUT, DAY
from cybersec_assets_tests.support.canaries import CANARIES, canary_of, plant, search
from cybersec_assets_tests.support.settings import group_with

LAUNCHES = 200
FIELDS = {
    "flow_source": ("uri", "format", "columns", "synthetic_flows", "s3_endpoint", "s3_secret_key", "pseudonym_key"),
    "detector": ("feature_set",),
    "store": ("home", "endpoint", "secret_key", "bucket_prefix"),
    "audit": ("home", "host", "password", "port", "user", "database"),
    "heads": ("home", "signing_key"),
    "scratch": ("parent",),
    "io_manager": ("base_dir",),
    "parquet_io_manager": ("base_dir",),
}
OPS = {"raw__network_events": ("max_outside_day", "max_rejected_share"), "silver__network_events": ("any",)}
OPEN = [("flow_source", "uri"), ("flow_source", "uri"), ("flow_source", "columns")]


@pytest.fixture
def files(tmp_path):
    """Files with secrets, some of which look like logs."""
    lines = [f"{variable}={value}" for variable, value in CANARIES.items()]
    (tmp_path / "settings.env").write_text("\n".join(lines))
    (tmp_path / "settings.json").write_text("\n".join(json.dumps({name: value}) for name, value in CANARIES.items()))
    (tmp_path / "conn.csv").write_text("timestamp,src_ip,dst_ip,bytes,duration,protocol\n" + "\n".join(lines))
    late = "ts\tuid\n" + "x\n" * 50_000 + "\n".join(lines)
    (tmp_path / "late.log").write_text("#separator \\x09\n#fields\tts\tuid\n" + late)
    return [str(file) for file in sorted(tmp_path.iterdir()) if file.is_file()]


def values(draw, files, home):
    """Return a value that an attacker who looks for secrets might try."""
    variable = draw.choice(list(CANARIES))
    return draw.choice(
        [
            {"env": variable},
            CANARIES[variable],
            f"/logs/{CANARIES[variable]}/{{date}}.log",
            f"$({variable})/${variable}/%{variable}%",
            f"{{{variable}}}",
            "{date.__class__.__mro__}",
            "{date!r:>400}",
            f"bytes={variable}",
            json.dumps({"bytes": {"value": CANARIES[variable]}}),
            json.dumps({CANARIES[variable]: "bytes"}),
            "/proc/self/environ",
            "/proc/*/environ",
            "/proc/self/cmdline",
            f"{home}/audit/signing-key",
            f"{home}/**",
            *files,
            f"{Path(files[0]).parent}/*",
            "s3://bucket/{date}",
            "http://elsewhere/{date}",
            "",
            None,
            0.5,
            [variable],
        ]
    )


def launch_config(draw, files, home):
    """Return the config of a launch: some fields of some resources and ops, with such values."""
    chosen = [(key, draw.choice(names)) for key, names in FIELDS.items()]
    # Most launches must pass the schema, or only the schema would be tested.
    picked = [draw.choice(OPEN)] if draw.random() < 0.8 else draw.sample(chosen, draw.randint(1, 3))
    config = {"resources": {key: {"config": {name: values(draw, files, home)}} for key, name in picked}}
    if ("flow_source", "uri") in picked and draw.random() < 0.7:
        fmt = draw.choice(["zeek", "zeek_json", "suricata", "csv", "parquet", "argus", "nfdump", "aws_vpc"])
        config["resources"]["flow_source"]["config"]["format"] = fmt
    if draw.random() < 0.2:
        op, names = draw.choice(list(OPS.items()))
        config["ops"] = {op: {"config": {draw.choice(names): values(draw, files, home)}}}
    if draw.random() < 0.1:
        config["loggers"] = {"console": {"config": {"name": values(draw, files, home)}}}
    return config


@pytest.fixture
def launch(settings, make_settings, tmp_path_factory, monkeypatch, capfd):
    """Return a function that launches configs, and returns the places with secrets and the launches that failed."""
    folder = tmp_path_factory.mktemp("dagster")
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    plant(monkeypatch)

    def run(configs, *, resources=None, canaries=CANARIES):
        # Only the raw layer: the others have no config.
        job = build_definitions(make_settings(), resources).resolve_job_def("daily_training")
        job = job.get_subset(asset_selection={dg.AssetKey(["raw", "network_events"])})
        refused = []
        failed = 0
        with dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder))) as instance:
            for config in configs:
                try:
                    done = job.execute_in_process(
                        run_config=config, partition_key=DAY, instance=instance, raise_on_error=False
                    )
                except Exception as error:  # noqa: BLE001 - the user sees any error of a launch
                    refused.append(f"{type(error).__name__}: {error}")
                else:
                    failed += not done.success
        printed = capfd.readouterr()
        # A refused launch is shown only to the user who wrote the config, and stored nowhere.
        return search(settings, folder, printed.out + printed.err, canaries), refused, failed

    return run


def test_no_launch_reveals_a_secret(settings, launch, files, monkeypatch):
    draw = random.Random(20_261_127)
    configs = [launch_config(draw, files, settings.home) for _ in range(LAUNCHES)]
    found, refused, failed = launch(configs[:50])
    assert found == []
    # With this key, errors quote no lines of logs. Without it, its value is not a secret of the environment.
    monkeypatch.delenv("FLOWS_PSEUDONYM_KEY")
    others = {variable: value for variable, value in CANARIES.items() if variable != "FLOWS_PSEUDONYM_KEY"}
    found, more_refused, more_failed = launch(configs[50:], canaries=others)
    assert found == []
    assert len(refused) + len(more_refused) > LAUNCHES / 10
    assert failed + more_failed > LAUNCHES / 10
    with audit_from(settings).session() as audit:
        assert audit.ask().failures()


def source_of(value):
    """Return a source with a URI that is not checked at launch."""
    return dg.ResourceDefinition(
        lambda context: FlowSourceResource(group_with(FlowSettings, uri=value), context.resources.store),
        config_schema={},
        required_resource_keys={"store"},
    )


def test_a_secret_that_passes_the_launch_is_redacted(launch):
    found, _, failed = launch([{}], resources={"flow_source": source_of(f"/x/{CANARIES['AUDIT_SIGNING_KEY']}")})
    assert (found, failed) == ([], 1)


def test_without_both_protections_the_search_finds_the_secret(launch, monkeypatch):
    """The control of the tests above, with a value that is not known to be a secret."""
    value = canary_of("HARMLESS_NAME")
    monkeypatch.setenv("HARMLESS_NAME", value)
    found, _, failed = launch(
        [{}], resources={"flow_source": source_of(f"/x/{value}")}, canaries={"HARMLESS_NAME": value}
    )
    places = {place.rpartition(": ")[0].rpartition("/")[2].partition(" ")[0] for place in found}
    assert failed == 1
    assert {"printed", "table"} <= places
    assert any(place.endswith(".db") for place in places)


@pytest.mark.parametrize(
    "config",
    [
        {"resources": {"flow_source": {"config": {"uri": {"env": "AUDIT_SIGNING_KEY"}}}}},
        {"resources": {"flow_source": {"config": {"uri": "/proc/self/environ", "format": "suricata"}}}},
    ],
)
def test_the_shell_reveals_no_secret(settings, tmp_path, monkeypatch, config):
    """A run with Dagster's own command also writes compute logs."""
    plant(monkeypatch)
    home = tmp_path / "dagster"
    home.mkdir()
    for name, value in {
        "DAGSTER_HOME": home,
        "CYBERSEC_HOME": settings.home,
        "PG_HOST": settings.postgres.host,
        "PG_DATABASE": settings.postgres.database,
    }.items():
        monkeypatch.setenv(name, str(value))
    file = tmp_path / "config.json"
    file.write_text(json.dumps(config))
    dagster = str(Path(sys.executable).parent / "dagster")
    command = [dagster, "job", "execute", "-m", "cybersec_assets.definitions", "-j", "daily_training"]
    command += ["-c", str(file), "--tags", json.dumps({"dagster/partition": DAY})]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert search(settings, home, done.stdout + done.stderr, CANARIES) == []
