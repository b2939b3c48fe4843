"""Tests and test support: integration/runs."""
