"""Tests and test support: audit/verify."""
