"""Pod Security "restricted", from https://kubernetes.io/docs/concepts/security/pod-security-standards/."""

from collections.abc import Iterator
from typing import Any

VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
HOST = ("hostNetwork", "hostPID", "hostIPC")


def faults(spec: dict[str, Any]) -> list[str]:
    """Return how a pod's spec breaks the standard, or has a writable root file system."""
    return [*_of_pod(spec), *(fault for each in _containers(spec) for fault in _of_container(each))]


def _containers(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [*spec.get("initContainers", []), *spec["containers"]]


def _of_pod(spec: dict[str, Any]) -> Iterator[str]:
    security = spec.get("securityContext", {})
    if security.get("runAsNonRoot") is not True or security.get("runAsUser", 0) == 0:
        yield "may run as root"
    if security.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "no seccomp profile"
    yield from (f"{name} is set" for name in HOST if spec.get(name))
    for volume in spec.get("volumes", []):
        if not (volume.keys() - {"name"}) <= VOLUMES:
            yield f"volume {volume['name']}"


def _of_container(container: dict[str, Any]) -> Iterator[str]:
    security = container.get("securityContext", {})
    if security.get("allowPrivilegeEscalation") is not False:
        yield f"{container['name']} may gain privileges"
    if security.get("capabilities", {}).get("drop") != ["ALL"] or "add" in security["capabilities"]:
        yield f"{container['name']} has capabilities"
    if security.get("readOnlyRootFilesystem") is not True:
        yield f"{container['name']} may write to its root"
    if any("hostPort" in port for port in container.get("ports", [])):
        yield f"{container['name']} has a port of the host"
