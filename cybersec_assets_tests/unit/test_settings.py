"""Names, defaults and errors of the settings, and what is generated from them or has to agree with them."""

import re

import pytest

from cybersec_assets.errors import SettingsError
from cybersec_assets.redaction import PUBLIC_VARIABLES
from cybersec_assets.settings import as_markdown, load_settings, reveal, secret_variables
from cybersec_assets_tests.conftest import CHECKOUT

SECRET = "q4Vr-hush-hush-8sLw"
ENV = CHECKOUT / "helm" / "cybersec-assets" / "templates" / "_env.tpl"
NAME = re.compile(r'(?:name: |")([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*)(?=["\n])')
ROLE = re.compile(r'"cybersec\.env\.role" \(list \S+ "\w+" "(\w+)"')
OF_DAGSTER = {"DAGSTER_HOME", "PGPASSWORD", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
"""What the chart sets for Dagster and its libraries."""
NOT_IN_THE_CHART = {"CYBERSEC_HOME", "CYBERSEC_SCRATCH", "MINIO_SECURE"}
"""Paths, which the image sets, and what the scheme of `s3.endpoint` says."""


def variables():
    """Return the names of all variables."""
    return set(re.findall(r"^\| `(\w+)` \|", as_markdown(), re.MULTILINE))


def test_the_document_is_generated_from_the_settings():
    assert (CHECKOUT / "docs" / "configuration.md").read_text() == as_markdown()


def test_the_chart_sets_the_settings_and_nothing_else():
    text = ENV.read_text()
    roles = set(ROLE.findall(text))
    assert roles == {"PG", "PG_MIGRATION", "DAGSTER_PG"}
    credentials = {f"{role}_{part}" for role in roles for part in ("USER", "PASSWORD")}
    assert (set(NAME.findall(text)) - roles) | credentials == (variables() - NOT_IN_THE_CHART) | OF_DAGSTER


def test_redaction_knows_the_defaults_of_public_settings():
    defaults = dict(re.findall(r"^\| `(\w+)` \| .* \| (?:`(.*)`)? \|$", as_markdown(), re.MULTILINE))
    assert {name: defaults[name] for name in PUBLIC_VARIABLES} == PUBLIC_VARIABLES


@pytest.mark.parametrize("variable", secret_variables())
def test_a_secret_is_read_and_never_shown(monkeypatch, variable):
    monkeypatch.setenv(variable, SECRET)
    settings = load_settings()
    values = [value for _, group in settings for _, value in group]
    assert [reveal(value) for value in values if hasattr(value, "get_secret_value")] == [SECRET]
    for shown in (repr(settings), str(settings), settings.model_dump_json()):
        assert SECRET not in shown


def test_a_variable_with_the_name_of_a_field_is_ignored(monkeypatch):
    for name in ("HOST", "USER", "PORT", "HOME", "URI", "POSTGRES"):
        monkeypatch.setenv(name, "7")
    assert load_settings() == load_settings()
    assert (load_settings().postgres.user, load_settings().postgres.port) == ("postgres", 5432)


def test_overrides_take_precedence(monkeypatch):
    monkeypatch.setenv("FLOWS_URI", "/environment")
    assert load_settings().flows.uri == "/environment"
    assert load_settings(FLOWS_URI="/option").flows.uri == "/option"


def test_an_empty_variable_is_unset(monkeypatch):
    monkeypatch.setenv("PG_PORT", "")
    monkeypatch.setenv("PG_PASSWORD", "")
    assert (load_settings().postgres.port, reveal(load_settings().postgres.password)) == (5432, None)


@pytest.mark.parametrize(
    ("variable", "value"), [("PG_PORT", "many"), ("CYBERSEC_BUCKET_PREFIX", "A_B"), ("FLOWS_TIMEZONE", "Mars/Base")]
)
def test_an_invalid_value_names_the_variable(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=f"{variable}='{value}'"):
        load_settings()
