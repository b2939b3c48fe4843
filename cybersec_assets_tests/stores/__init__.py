"""Tests of `cybersec_assets.stores`."""
