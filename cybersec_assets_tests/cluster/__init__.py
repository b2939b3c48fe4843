"""Tests and test support: cluster."""
