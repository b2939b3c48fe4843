"""The environment variables of the contract, as typed values.

Secrets are not here: `resources.launch.secret_values` reads them when a resource is created, so that no secret is part
of a resource's schema or shown in the Launchpad.
"""

import datetime as dt
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from cybersec_assets.errors import SettingsError, quoted


class Settings(BaseSettings):
    """What the environment says; a field `minio_endpoint` is the variable `MINIO_ENDPOINT`. Empty means unset."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    cybersec_home: Path = Path(".cybersec")
    cybersec_scratch: Path | None = None
    cybersec_bucket_prefix: str = Field("cybersec-ml", pattern=r"^[a-z0-9][a-z0-9-]{1,50}$")
    cybersec_start_date: dt.date = dt.date(2025, 1, 1)
    cybersec_schedule_cron: str = "0 2 * * *"
    cybersec_schedule_enabled: bool = False
    cybersec_step_pods_account: str | None = None
    cybersec_synthetic_flows: int = Field(200_000, ge=1)

    flows_uri: str | None = None
    flows_format: str = "auto"
    flows_columns: str | None = None
    flows_timezone: str = "UTC"
    flows_s3_endpoint: str | None = None
    feature_set: Literal["basic", "extended"] = "basic"

    minio_endpoint: str | None = None
    minio_secure: bool = False
    minio_region: str = "us-east-1"
    minio_ca_file: Path | None = None

    pg_host: str | None = None
    pg_port: int = Field(5432, ge=1, le=65535)
    pg_user: str = "postgres"
    pg_database: str = "mlops_db"
    pg_sslmode: Literal["disable", "allow", "prefer", "require", "verify-ca", "verify-full"] = "prefer"
    pg_sslrootcert: Path | None = None
    pg_migration_user: str | None = None
    dagster_pg_user: str | None = None
    dagster_pg_database: str = "dagster"

    audit_trusted_keys: str | None = None

    @property
    def zone(self) -> ZoneInfo:
        """The time zone of the sensor's days."""
        return _read_zone(self.flows_timezone)

    @property
    def pg_server(self) -> dict[str, Any]:
        """Where PostgreSQL is and how it is spoken to, as libpq's parameters; without role and database."""
        return {
            "host": self.pg_host,
            "port": self.pg_port,
            "sslmode": self.pg_sslmode,
            "sslrootcert": self.pg_sslrootcert and str(self.pg_sslrootcert),
        }


def load_settings(**overrides: Any) -> Settings:
    """Read the environment.

    Args:
        overrides: Values that go before the environment's, by field name.

    Raises:
        SettingsError: A variable has a value that cannot be used.
    """
    try:
        settings = Settings(**overrides)
    except ValidationError as error:
        fault = error.errors()[0]
        name = str(fault["loc"][0]).upper()
        raise SettingsError(f"{name}={quoted(fault['input'])}: {fault['msg']}", f"Correct or unset {name}") from None
    _read_zone(settings.flows_timezone)
    return settings


def _read_zone(name: str) -> ZoneInfo:
    """Return the time zone of an IANA name.

    Raises:
        SettingsError: There is no such time zone.
    """
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise SettingsError(
            f"FLOWS_TIMEZONE={quoted(name)} is not a time zone", "Use an IANA name, such as America/New_York"
        ) from None
