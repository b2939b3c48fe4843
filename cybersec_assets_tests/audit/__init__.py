"""Tests of `cybersec_assets.audit`."""
