"""The recipe of MinIO's image: pinned, without root, and consistent with the chart. It is not built here."""

import re

import pytest

from cybersec_assets_tests.support.cluster.chart import CHART, DEMO, find

RECIPE = (CHART.parent / "images" / "minio" / "Dockerfile").read_text()


@pytest.fixture
def pod(helm):
    """Return the spec of the pod that runs the image."""
    return find(helm.manifests(DEMO), "StatefulSet", "-minio")["spec"]["template"]["spec"]


def test_the_source_is_pinned():
    """The module's version is that of one commit, and the base image is an argument."""
    assert re.search(r"^ARG VERSION=v0\.0\.0-\d{14}-[0-9a-f]{12}$", RECIPE, re.MULTILINE)
    assert re.search(r"^ARG BASE=\S+:\S+$", RECIPE, re.MULTILINE)
    assert "FROM ${BASE} AS build\n" in RECIPE


def test_the_pod_runs_as_the_images_user(pod):
    """The pod has the image's user, entrypoint and port, and mounts the folders that the user may write to."""
    user = re.search(r"^USER (\d+):(\d+)$", RECIPE, re.MULTILINE)
    assert user
    assert (int(user[1]), int(user[2])) == (pod["securityContext"]["runAsUser"], pod["securityContext"]["runAsGroup"])
    (container,) = pod["containers"]
    assert "command" not in container
    assert 'ENTRYPOINT ["minio"]' in RECIPE
    assert f"EXPOSE {container['ports'][0]['containerPort']}\n" in RECIPE
    writable = set(re.findall(r"--chown=\S+ /build/empty (\S+)", RECIPE))
    assert writable == {mount["mountPath"] for mount in container["volumeMounts"]}
    home = re.search(r"HOME=(\S+)", RECIPE)
    assert home
    assert home[1] in writable
