"""Tests and test support: support/audit."""
