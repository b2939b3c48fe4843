"""Tests and test support: support/servers."""
