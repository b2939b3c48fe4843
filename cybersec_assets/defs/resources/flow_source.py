"""The source of a day's flow logs, as a Dagster resource."""

import os
import re
from dataclasses import replace
from pathlib import Path

import dagster as dg

from cybersec_assets.defs.resources.launch import COUNT, PlainText, one_of
from cybersec_assets.defs.resources.object_store import ObjectStoreResource
from cybersec_assets.errors import SettingsError, quoted
from cybersec_assets.flows.pseudonyms.pseudonyms import Pseudonyms, read_key
from cybersec_assets.flows.source import FlowSource, formats
from cybersec_assets.redaction import redact, redacted_errors
from cybersec_assets.settings import FlowSettings, reveal
from cybersec_assets.sources.base import SourceFile
from cybersec_assets.sources.local import local_files
from cybersec_assets.stores.s3_connection import MINIO, S3Server, S3Variables

SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
S3 = "s3://"
PRIVATE = (Path("/proc"), Path("/sys"), Path("/run/secrets"), Path("/var/run/secrets"))
"""Folders in which the system and orchestrators keep secrets."""
OWN_FOLDERS = ("audit", "dagster", "postgres")
"""The folders of CYBERSEC_HOME with keys and databases."""
KEYS = "FLOWS_S3_ACCESS_KEY and FLOWS_S3_SECRET_KEY"
RIGHTS = "Grant the key s3:ListBucket and s3:GetObject on the bucket of the logs"


class FlowSourceResource:
    """The source of the logs, or of synthetic flows if no source is set."""

    def __init__(self, settings: FlowSettings, store: ObjectStoreResource) -> None:
        self.settings = settings
        self.store = store

    def source(self) -> FlowSource:
        """Return the object that finds and reads a day's flows.

        Raises:
            SettingsError: A setting has an invalid value.
        """
        columns = self.settings.columns
        pseudonym_key = reveal(self.settings.pseudonym_key)
        if columns and not columns.lstrip().startswith(("{", "[")):
            self._refuse_private("FLOWS_COLUMNS", columns)
        return FlowSource(
            uri=self.settings.uri,
            fmt=self.settings.format,
            columns=columns,
            synthetic=self.settings.synthetic_flows,
            pseudonyms=Pseudonyms(read_key(pseudonym_key)) if pseudonym_key else None,
            find=self._find,
        )

    def _find(self, pattern: str) -> list[SourceFile]:
        if not SCHEME.match(pattern):
            self._refuse_private("FLOWS_URI", pattern)
            found = local_files(pattern)
            for file in found:
                self._refuse_private("FLOWS_URI", file.name)
            return [_without_secrets(file) for file in found]
        if not pattern.startswith(S3):
            raise SettingsError(
                f"FLOWS_URI={self.settings.uri}: only local paths and {S3} are supported", "Mount or copy the logs"
            )
        server = self._server()
        # boto3 takes seconds to import, which only S3 users should pay.
        from cybersec_assets.sources.s3 import FlowBucket

        found = FlowBucket(server.client(), server.variables).files(pattern)
        return [_without_secrets(file) for file in found]

    def _refuse_private(self, variable: str, path: str) -> None:
        """Refuse a path in a folder in which the system or the project keeps secrets.

        Raises:
            SettingsError: The path is in such a folder. An error could quote a secret from it.
        """
        home = self.store.settings.home
        private = [*PRIVATE, *(home / name for name in OWN_FOLDERS)]
        if dagster_home := os.environ.get("DAGSTER_HOME"):
            private.append(Path(dagster_home))
        # A path with a NUL byte names no file.
        plain = path.replace("\x00", "")
        spelled = {os.path.abspath(plain), os.path.realpath(plain)}  # noqa: PTH100 - no link is followed
        for folder in private:
            places = (folder.absolute(), folder.resolve())
            if any(Path(each).is_relative_to(place) for each in spelled for place in places):
                raise SettingsError(f"{variable}: {quoted(path)} is in {folder}, which is private", "Use another path")

    def _server(self) -> S3Server:
        """Return the server of the logs. Only the artifacts' own server gets the artifacts' keys."""
        own = self.settings.s3_endpoint
        access_key = self.settings.s3_access_key or None
        secret_key = reveal(self.settings.s3_secret_key)
        endpoint = own or self.store.settings.endpoint
        if not endpoint:
            raise SettingsError(
                f"FLOWS_URI={self.settings.uri} is on an unknown server",
                "Set FLOWS_S3_ENDPOINT (or MINIO_ENDPOINT, if it is there)",
            )
        variable = "FLOWS_S3_ENDPOINT" if own else MINIO.endpoint
        shared = replace(self.store.server, endpoint=endpoint)
        if own or access_key or secret_key:
            variables = S3Variables(variable, KEYS, RIGHTS)
            return replace(shared, access_key=access_key, secret_key=secret_key, variables=variables)
        return replace(shared, variables=S3Variables(variable, f"{MINIO.keys}, or {KEYS}", RIGHTS))


def _without_secrets(file: SourceFile) -> SourceFile:
    """Return the file with a name that metadata and the audit may show."""
    return replace(file, name=redact(file.name))


def flow_source(settings: FlowSettings) -> dg.ResourceDefinition:
    """Return the resource. A launch may set what is read and how, but not the keys.

    Args:
        settings: The environment's settings, the defaults of a launch.

    Raises:
        SettingsError: The format is unknown.
    """
    known = tuple(formats())
    if settings.format not in known:
        raise SettingsError(f"FLOWS_FORMAT={quoted(settings.format)} is unknown", f"Use one of {', '.join(known)}")
    types = {
        "uri": PlainText("uri", settings.uri or ""),
        "format": one_of("FlowFormat", known),
        "columns": PlainText("columns", settings.columns or ""),
        "synthetic_flows": COUNT,
    }
    schema = {
        # An unset text is empty, so that the Launchpad shows a line to edit.
        name: dg.Field(
            kind,
            default_value=getattr(settings, name) or "",
            description=FlowSettings.model_fields[name].description,
        )
        for name, kind in types.items()
    }

    def make(context: dg.InitResourceContext) -> FlowSourceResource:
        launched = {name: value or None for name, value in context.resource_config.items()}
        with redacted_errors():
            return FlowSourceResource(settings.model_copy(update=launched), context.resources.store)

    return dg.ResourceDefinition(
        make, config_schema=schema, required_resource_keys={"store"}, description=FlowSourceResource.__doc__
    )
