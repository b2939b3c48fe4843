"""The environment variables, as typed values in groups.

A group has what one resource needs. Names, defaults, bounds and meanings of all variables are here and nowhere else;
`docs/configuration.md` is made from them. Secrets are `SecretStr`, which no repr shows. Empty means unset.
"""

import datetime as dt
from pathlib import Path
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from cybersec_assets.errors import SettingsError, quoted

Secret = SecretStr | None
OptionalPath = Path | None


def _variable(name: str, default: object, meaning: str, **bounds: Any) -> Any:
    return Field(default, validation_alias=name, description=meaning, **bounds)


class Group(BaseSettings):
    """Variables that belong together."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)


class _InHome(Group):
    home: Path = _variable(
        "CYBERSEC_HOME",
        Path(".cybersec"),
        "Folder of the embedded database, local objects, Dagster's instance and generated keys.",
    )


class StoreSettings(_InHome):
    """Where artifacts are stored."""

    bucket_prefix: str = _variable(
        "CYBERSEC_BUCKET_PREFIX", "cybersec-ml", "Prefix of the four buckets.", pattern=r"^[a-z0-9][a-z0-9-]{1,50}$"
    )
    endpoint: str | None = _variable(
        "MINIO_ENDPOINT", None, "`host:port` or URL of the S3 server. Unset: folders in `CYBERSEC_HOME`."
    )
    secure: bool = _variable("MINIO_SECURE", default=False, meaning="Use TLS if the endpoint has no scheme.")
    region: str = _variable("MINIO_REGION", "us-east-1", "The S3 region.")
    access_key: str | None = _variable("MINIO_ACCESS_KEY", None, "The S3 access key.")
    secret_key: Secret = _variable("MINIO_SECRET_KEY", None, "The S3 secret key.")
    ca_file: OptionalPath = _variable("MINIO_CA_FILE", None, "CA certificates of the S3 server. Unset: the system's.")


class PostgresSettings(_InHome):
    """Where the audit is, and Dagster's own database on the same server."""

    host: str | None = _variable(
        "PG_HOST", None, "The PostgreSQL server. Unset: an embedded server in `CYBERSEC_HOME`."
    )
    port: int = _variable("PG_PORT", 5432, "The server's port.", ge=1, le=65535)
    user: str = _variable("PG_USER", "postgres", "The role that writes the audit.")
    password: Secret = _variable("PG_PASSWORD", None, "The role's password.")
    database: str = _variable("PG_DATABASE", "mlops_db", "The audit's database. A missing one is created if possible.")
    sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = _variable(
        "PG_SSLMODE", "prefer", "libpq's `sslmode`."
    )
    sslrootcert: OptionalPath = _variable("PG_SSLROOTCERT", None, "CA certificates of the server.")
    migration_user: str | None = _variable(
        "PG_MIGRATION_USER", None, "The role that owns the audit's schema. Unset: `PG_USER`."
    )
    migration_password: Secret = _variable("PG_MIGRATION_PASSWORD", None, "That role's password.")
    dagster_user: str | None = _variable("DAGSTER_PG_USER", None, "The role of Dagster's database, on Kubernetes.")
    dagster_password: Secret = _variable("DAGSTER_PG_PASSWORD", None, "That role's password.")
    dagster_database: str = _variable("DAGSTER_PG_DATABASE", "dagster", "Dagster's own database, on Kubernetes.")

    @property
    def server(self) -> dict[str, Any]:
        """The server as libpq's parameters, without role and database."""
        return {
            "host": self.host,
            "port": self.port,
            "sslmode": self.sslmode,
            "sslrootcert": self.sslrootcert and str(self.sslrootcert),
        }


class AuditSettings(_InHome):
    """The keys of the audit's signed heads."""

    signing_key: Secret = _variable(
        "AUDIT_SIGNING_KEY",
        None,
        "Ed25519 key, 32 bytes in base64. Unset: a key is generated once and kept in `CYBERSEC_HOME`.",
    )
    trusted_keys: str | None = _variable(
        "AUDIT_TRUSTED_KEYS",
        None,
        "Public keys that `cybersec audit verify` trusts, separated by commas. Unset: those in "
        "`CYBERSEC_HOME/audit/trusted-keys`, and the signing key's.",
    )


class FlowSettings(Group):
    """Where the day's flows are read from."""

    uri: str | None = _variable(
        "FLOWS_URI",
        None,
        "A path, glob or s3:// URL; `{date}` becomes YYYY-MM-DD, also `{date:%Y%m%d}`. Unset: synthetic flows.",
    )
    format: str = _variable("FLOWS_FORMAT", "auto", "auto (by content), or a format's name.")
    columns: str | None = _variable(
        "FLOWS_COLUMNS",
        None,
        "Columns of CSV or Parquet: a preset, a JSON document or a file with one; see docs/columns.md.",
    )
    synthetic_flows: int = _variable("CYBERSEC_SYNTHETIC_FLOWS", 200_000, "Number of synthetic flows a day.", ge=1)
    s3_endpoint: str | None = _variable(
        "FLOWS_S3_ENDPOINT", None, "`host:port` or URL of the server of s3:// logs. Unset: `MINIO_ENDPOINT`."
    )
    s3_access_key: str | None = _variable(
        "FLOWS_S3_ACCESS_KEY", None, "The access key of that server. Unset: the artifacts' key on their own server."
    )
    s3_secret_key: Secret = _variable("FLOWS_S3_SECRET_KEY", None, "The secret key of that server.")
    pseudonym_key: Secret = _variable(
        "FLOWS_PSEUDONYM_KEY", None, "32 bytes in base64: addresses are stored as pseudonyms under this key."
    )


class ScheduleSettings(Group):
    """Which days there are, and when each is run."""

    start_date: dt.date = _variable("CYBERSEC_START_DATE", dt.date(2025, 1, 1), "The first partition.")
    timezone: str = _variable(
        "FLOWS_TIMEZONE", "UTC", "IANA time zone of the sensor. A partition is a day in this zone."
    )
    cron: str = _variable(
        "CYBERSEC_SCHEDULE_CRON",
        "0 2 * * *",
        "When the schedule starts the run of the day before: a cron expression in UTC.",
    )
    enabled: bool = _variable("CYBERSEC_SCHEDULE_ENABLED", default=False, meaning="Start the schedule switched on.")

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the days.

        Raises:
            SettingsError: There is no such time zone.
        """
        try:
            return ZoneInfo(self.timezone)
        except (LookupError, ValueError, OSError):
            raise SettingsError(
                f"FLOWS_TIMEZONE={quoted(self.timezone)} is not a time zone",
                "Use an IANA name, such as America/New_York",
            ) from None


class RunSettings(Group):
    """How a run works."""

    scratch: OptionalPath = _variable(
        "CYBERSEC_SCRATCH", None, "Folder of a run's temporary files. Unset: the system's temporary folder."
    )
    feature_set: Literal["basic", "extended"] = _variable(
        "FEATURE_SET", "basic", "The model's features, a set of `features.py`."
    )
    step_pods_account: str | None = _variable(
        "CYBERSEC_STEP_PODS_ACCOUNT", None, "Kubernetes service account of `daily_training_pods`. Unset: no such job."
    )


class Settings(BaseModel):
    """All variables, by group."""

    model_config = ConfigDict(frozen=True)

    store: StoreSettings
    postgres: PostgresSettings
    audit: AuditSettings
    flows: FlowSettings
    schedule: ScheduleSettings
    run: RunSettings

    @property
    def home(self) -> Path:
        """The folder of everything that is embedded."""
        return self.store.home


def load_settings(**overrides: object) -> Settings:
    """Read the environment.

    Args:
        overrides: Values that take precedence over the environment, by the variable's name.

    Raises:
        SettingsError: A variable has an invalid value.
    """
    try:
        settings = Settings.model_validate({name: group(**overrides) for name, group in _groups().items()})
    except ValidationError as error:
        fault = error.errors()[0]
        name = str(fault["loc"][0])
        shown = name if name in secret_variables() else f"{name}={quoted(fault['input'])}"
        raise SettingsError(f"{shown}: {fault['msg']}", f"Correct or unset {name}") from None
    # An unknown time zone is an error here, not at the first use.
    _ = settings.schedule.zone
    return settings


def reveal(secret: Secret) -> str | None:
    """Return a secret's text; None for an unset or empty one."""
    return (secret.get_secret_value() or None) if secret else None


def secret_variables() -> list[str]:
    """Return the names of the variables that hold secrets."""
    return [
        str(field.validation_alias)
        for group in _groups().values()
        for field in group.model_fields.values()
        if field.annotation == Secret
    ]


def as_markdown() -> str:
    """Return the text of `docs/configuration.md`."""
    lines = [
        "# Configuration",
        "",
        "Every setting is an environment variable. An empty variable counts as unset. Most variables are values of the",
        "Helm chart; see [its README](../helm/cybersec-assets/README.md#values).",
        "",
        "This file is generated from `cybersec_assets/settings.py`:",
        "`python -m cybersec_assets.settings > docs/configuration.md`",
    ]
    for name, group in _groups().items():
        title = str(group.__doc__).rstrip(".")
        lines += ["", f"## {title}", "", "| variable | meaning | default |", "| --- | --- | --- |"]
        for field in group.model_fields.values():
            if field.validation_alias == "CYBERSEC_HOME" and name != "store":
                continue
            default = "" if field.default is None else f"`{str(field.default).replace('False', 'false')}`"
            lines.append(f"| `{field.validation_alias}` | {field.description} | {default} |")
    return "\n".join(lines) + "\n"


def _groups() -> dict[str, type[Group]]:
    return {name: cast("type[Group]", field.annotation) for name, field in Settings.model_fields.items()}


if __name__ == "__main__":
    print(as_markdown(), end="")  # noqa: T201 - the output is the document
