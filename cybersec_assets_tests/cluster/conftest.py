"""Fixtures of the cluster."""

from cybersec_assets_tests.support.cluster.fixtures import *  # noqa: F403
