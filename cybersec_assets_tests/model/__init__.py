"""Tests of `cybersec_assets.model`."""
