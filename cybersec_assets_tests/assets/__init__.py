"""Tests of `cybersec_assets.assets`."""
