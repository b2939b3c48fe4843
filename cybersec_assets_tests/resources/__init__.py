"""Tests of `cybersec_assets.resources`."""
