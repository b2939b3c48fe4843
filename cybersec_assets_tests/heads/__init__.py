"""Tests of `cybersec_assets.heads`."""
