"""Fixtures of the chart."""

from cybersec_assets_tests.support.cluster.fixtures import *  # noqa: F403
