"""An installed release: the web server's GraphQL, the audit's rows and the objects in the store."""

import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import boto3
import psycopg2
import psycopg2.extras

from cybersec_assets_tests.support.cluster.chart import CHART, FULLNAME, RELEASE
from cybersec_assets_tests.support.cluster.cluster import Namespace, eventually
from cybersec_assets_tests.support.servers.servers import HOST

ASSETS = [["raw", "network_events"], ["silver", "network_events"], ["gold", "isolation_forest"], ["gold", "evaluation"]]
LAUNCH = """
mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) { __typename ... on LaunchRunSuccess { run { runId } } }
}
"""
RUN = """
query ($id: ID!) {
  runOrError(runId: $id) { ... on Run {
    status creationTime startTime endTime
    eventConnection { events {
      __typename ... on MessageEvent { message } ... on LogsCapturedEvent { fileKey }
      ... on ExecutionStepFailureEvent { error { message causes { message } } }
    } }
  } }
}
"""
LOCATIONS = "{ workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError { __typename } } } } }"
RUNS = "{ runsOrError { ... on Runs { results { runId status tags { key value } } } } }"
LOGS = "query ($key: [String!]!) { capturedLogs(logKey: $key) { stdout stderr } }"
OVER = {"SUCCESS", "FAILURE", "CANCELED"}


@dataclass(frozen=True)
class Release:
    """A release in its own namespace.

    Attributes:
        namespace: Its namespace.
        settings: Its values, as `name=value`.
        webserver: The web server that is queried.
    """

    namespace: Namespace
    settings: tuple[str, ...]
    webserver: str = "webserver"

    def helm(self, verb: str, *more: str, timeout: float = 300) -> subprocess.CompletedProcess:
        """Install or upgrade the release."""
        given = [part for setting in (*self.settings, *more) for part in ("--set", setting)]
        command = ["helm", verb, RELEASE, str(CHART), "--namespace", self.namespace.name, *given]
        options = ("--wait", "--wait-for-jobs", "--timeout", f"{timeout:.0f}s", *(("--install",) * (verb == "upgrade")))
        return self.namespace.cluster.attempt(*command, *options, timeout=timeout + 60)

    def upgrade(self, *more: str) -> "Release":
        """Upgrade the release, and check that this succeeds."""
        done = self.helm("upgrade", *more)
        assert done.returncode == 0, done.stderr
        return self

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Send a GraphQL query to the web server."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        with self.namespace.forward(f"{FULLNAME}-{self.webserver}", 80) as port:
            request = urllib.request.Request(
                f"http://{HOST}:{port}/graphql", body, {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["data"]

    def materialize(self, day: str) -> str:
        """Materialize all assets of a day, as the UI does, and return the run's id."""
        return self._launch(
            {"pipelineName": "__ASSET_JOB", "assetSelection": [{"path": path} for path in ASSETS]}, day, {}
        )

    def launch(self, day: str, tags: dict[str, str] | None = None, job: str = "daily_training") -> str:
        """Launch a job for a day."""
        return self._launch({"pipelineName": job}, day, tags or {})

    def _launch(self, what: dict[str, Any], day: str, tags: dict[str, str]) -> str:
        place = {"repositoryLocationName": "cybersec_assets", "repositoryName": "__repository__"}
        given = [{"key": key, "value": value} for key, value in ({"dagster/partition": day} | tags).items()]
        eventually(self.sees_code, 60, "the code location")
        params = {"selector": place | what, "mode": "default", "executionMetadata": {"tags": given}}
        launched = self.ask(LAUNCH, params=params)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return launched["run"]["runId"]

    def sees_code(self) -> bool:
        """Return whether the web server has loaded the code location, which may start later."""
        (entry,) = self.ask(LOCATIONS)["workspaceOrError"]["locationEntries"]
        return (entry["locationOrLoadError"] or {}).get("__typename") == "RepositoryLocation"

    def run(self, run_id: str) -> dict[str, Any]:
        """Return a run as the web server shows it. Retry for 30 s, as its database may have just restarted."""
        return eventually(lambda: self._shown(run_id), 30, "the web server's answer")

    def _shown(self, run_id: str) -> dict[str, Any] | None:
        with suppress(urllib.error.HTTPError):
            return self.ask(RUN, id=run_id)["runOrError"]
        return None

    def finished(self, run_id: str, seconds: float) -> dict[str, Any]:
        """Wait for the end of a run, and return the run."""

        def over() -> dict[str, Any] | None:
            run = self._shown(run_id)
            return run if run and run["status"] in OVER else None

        return eventually(over, seconds, f"the end of run {run_id}")

    def runs(self) -> list[dict[str, Any]]:
        """Return all runs with their tags, the newest first."""
        found = self.ask(RUNS)["runsOrError"]["results"]
        return [run | {"tags": {tag["key"]: tag["value"] for tag in run["tags"]}} for run in found]

    @contextmanager
    def database(self) -> Iterator[Any]:
        """Yield a cursor on the audit, as the application's role."""
        password = self.namespace.secret(f"{FULLNAME}-generated")["audit-password"]
        with self.namespace.forward(f"{FULLNAME}-postgresql", 5432) as port:
            connection = psycopg2.connect(
                host=HOST, port=port, user="cybersec_app", password=password, dbname="mlops_db"
            )
            try:
                yield connection.cursor(cursor_factory=psycopg2.extras.RealDictCursor)
            finally:
                connection.close()

    def phases(self, run_id: str) -> dict[str, str]:
        """Return the last journal entry of each asset of a run."""
        with self.database() as cursor:
            cursor.execute("SELECT asset_key, kind FROM audit_journal WHERE run_id = %s ORDER BY seq", [run_id])
            return {row["asset_key"]: row["kind"] for row in cursor.fetchall()}

    @contextmanager
    def store(self) -> Iterator[Any]:
        """Yield a client of the object store."""
        secret = self.namespace.secret(f"{FULLNAME}-generated")
        with self.namespace.forward(f"{FULLNAME}-minio", 9000) as port:
            yield boto3.client(
                "s3",
                endpoint_url=f"http://{HOST}:{port}",
                region_name="us-east-1",
                aws_access_key_id=secret["s3-access-key"],
                aws_secret_access_key=secret["s3-secret-key"],
            )
