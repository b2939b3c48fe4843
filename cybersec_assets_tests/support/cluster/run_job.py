"""The Job of a run, made by Dagster's own code from the rendered `dagster.yaml`."""

from typing import Any

import kubernetes
from dagster._config import process_config, resolve_to_config_type
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.job import UserDefinedDagsterK8sConfig, construct_dagster_k8s_job
from dagster_k8s.launcher import K8sRunLauncher


def launcher_config(instance: dict[str, Any]) -> dict[str, Any]:
    """Return the run launcher's configuration, validated and completed by Dagster."""
    result = process_config(resolve_to_config_type(K8sRunLauncher.config_type()), instance["run_launcher"]["config"])
    assert result.success, result.errors
    return result.value


def run_job(instance: dict[str, Any], asked: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return a run's Job as it is sent to the API server.

    Args:
        instance: The content of `dagster.yaml`.
        asked: The run's tag `dagster-k8s/config`, which the launcher may refuse.
    """
    config = launcher_config(instance)
    own = K8sContainerContext(
        image_pull_policy=config["image_pull_policy"],
        image_pull_secrets=config.get("image_pull_secrets"),
        service_account_name=config["service_account_name"],
        labels=config["labels"],
        resources=config["resources"],
        security_context=config["security_context"],
        run_k8s_config=UserDefinedDagsterK8sConfig.from_dict(config["run_k8s_config"]),
    )
    given = K8sContainerContext(run_k8s_config=UserDefinedDagsterK8sConfig.from_dict(asked or {}))
    allowed = config["only_allow_user_defined_k8s_config_fields"], config["only_allow_user_defined_env_vars"]
    context = own.merge(given.validate_user_k8s_config_for_run(*allowed))
    launcher = _Launcher(config["instance_config_map"], config["dagster_home"])
    job = construct_dagster_k8s_job(
        context.get_k8s_job_config(config["job_image"], launcher),
        args=["dagster", "api", "execute_run", "…"],
        job_name="dagster-run-1",
        component="run_worker",
        user_defined_k8s_config=context.run_k8s_config,
    )
    return kubernetes.client.ApiClient().sanitize_for_serialization(job)


class _Launcher:
    """The attributes of a run launcher that Dagster's code reads. The real one works only in a cluster."""

    def __init__(self, instance_config_map: str, dagster_home: str) -> None:
        self.instance_config_map = instance_config_map
        self.dagster_home = dagster_home
        self.postgres_password_secret = None
        self.job_image = None
