"""Tests and test support: support/verify."""
