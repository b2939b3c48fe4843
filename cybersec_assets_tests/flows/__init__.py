"""Tests of `cybersec_assets.flows`."""
