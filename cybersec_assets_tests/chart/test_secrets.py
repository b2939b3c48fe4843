"""Secrets are stored in Secrets only, generated once, and never generated where they could not be kept."""

import base64

from cybersec_assets.flows.readers import AUTO, readers
from cybersec_assets_tests.support.cluster.chart import DEMO, FULLNAME, OWN, dagster_yaml, find, merged, pods

SECRET_VARIABLES = ("PASSWORD", "SECRET_KEY", "ACCESS_KEY", "SIGNING_KEY", "SECRET_ACCESS_KEY", "MINIO_ROOT_USER")


def generated(manifests):
    """Return the data of the generated Secret, decoded."""
    data = find(manifests, "Secret", "-generated")["data"]
    return {name: base64.b64decode(value).decode() for name, value in data.items()}


def test_generated_secrets_are_strong_and_unique(helm):
    """The signing key has 32 bytes, passwords have 32 characters, and no two values are equal, even across installs."""
    first, second = (generated(helm.manifests(DEMO)) for _ in range(2))
    assert len(base64.b64decode(first.pop("signing-key"))) == 32
    assert first.keys() == {
        "audit-password",
        "migration-password",
        "dagster-password",
        "s3-access-key",
        "s3-secret-key",
    }
    assert {len(value) for name, value in first.items() if name != "s3-access-key"} == {32}
    assert len({*first.values(), *second.values()}) == 11


def test_secrets_are_in_secrets_only(helm):
    """No generated value appears in another manifest."""
    manifests = helm.manifests(DEMO)
    others = str([each for each in manifests if each["kind"] != "Secret"])
    for value in generated(manifests).values():
        assert value not in others


def test_variables_that_hold_secrets_refer_to_secrets(manifests):
    """Every variable with a password or key in its name is a reference to a Secret."""
    seen = 0
    for name, spec, _ in pods(manifests):
        for variable in [each for container in spec["containers"] for each in container.get("env", [])]:
            if variable["name"].endswith(SECRET_VARIABLES) and variable.get("value") != "$(DAGSTER_PG_PASSWORD)":
                assert "secretKeyRef" in variable.get("valueFrom", {}), (name, variable)
                seen += 1
    assert seen > 20


def test_configured_key_names_reach_the_references(helm):
    """The pods read the keys that the values name, including one for a user name."""
    (setup,) = find(helm.manifests(OWN), "Job", "-setup-1")["spec"]["template"]["spec"]["containers"]
    references = {
        each["name"]: tuple(each["valueFrom"]["secretKeyRef"].values()) for each in setup["env"] if "valueFrom" in each
    }
    assert references == {
        "DAGSTER_PG_PASSWORD": ("dagster-db", "password"),
        "PG_USER": ("audit-app", "username"),
        "PG_PASSWORD": ("audit-app", "password"),
        "PG_MIGRATION_PASSWORD": ("audit-owner", "pass.word"),
        "AWS_ACCESS_KEY_ID": ("s3-key", "id"),
        "AWS_SECRET_ACCESS_KEY": ("s3-key", "secretKey"),
        "MINIO_ACCESS_KEY": ("s3-key", "id"),
        "MINIO_SECRET_KEY": ("s3-key", "secretKey"),
        "AUDIT_SIGNING_KEY": ("audit-key", "signing-key"),
        "FLOWS_S3_ACCESS_KEY": ("logs-key", "accessKey"),
        "FLOWS_S3_SECRET_KEY": ("logs-key", "secretKey"),
    }


def test_mapping_and_pseudonym_key_reach_the_runs(helm):
    """The column mapping and the pseudonym key are in the environment of runs if the values set them."""
    flows = {"columns": "bytes=sbytes+dbytes", "pseudonyms": {"existingSecret": "pseudonyms", "keyKey": "k"}}
    for values, expected in (
        (DEMO, {}),
        (
            merged(DEMO, {"flows": flows}),
            {
                "FLOWS_COLUMNS": {"value": "bytes=sbytes+dbytes"},
                "FLOWS_PSEUDONYM_KEY": {"valueFrom": {"secretKeyRef": {"name": "pseudonyms", "key": "k"}}},
            },
        ),
    ):
        launcher = dagster_yaml(helm.manifests(values))["run_launcher"]["config"]["run_k8s_config"]
        given = {each.pop("name"): each for each in launcher["container_config"]["env"]}
        assert {name: given[name] for name in given if name in {"FLOWS_COLUMNS", "FLOWS_PSEUDONYM_KEY"}} == expected
        assert given["FLOWS_TIMEZONE"] == {"value": "UTC"}


def test_every_format_is_accepted(helm):
    """The schema accepts every format that has a reader."""
    for name in (AUTO, *readers()):
        assert helm.manifests(merged(DEMO, {"flows": {"format": name}}))


def test_all_pods_sign_with_one_key(manifests):
    """Every pod that signs uses the same key of the same Secret."""
    keys = [
        tuple(each["valueFrom"]["secretKeyRef"].values())
        for _, spec, _ in pods(manifests)
        for each in spec["containers"][0].get("env", [])
        if each["name"] == "AUDIT_SIGNING_KEY"
    ]
    assert len(keys) >= 4
    assert len(set(keys)) == 1


def test_nothing_is_generated_where_it_could_not_be_kept(helm):
    """Rendering without a cluster fails with a remedy, in a demo and without a signing key."""
    own_without_key = merged(OWN, {"audit": {"existingSecret": ""}})
    for values in (DEMO, own_without_key):
        said = helm.refusal(values, asks_cluster=False)
        assert f"the Secret {FULLNAME}-generated would get new passwords" in said
        assert "audit.existingSecret" in said
    assert helm.template(OWN, asks_cluster=False).returncode == 0
