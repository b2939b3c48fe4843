"""Tests and test support: support/cluster."""
