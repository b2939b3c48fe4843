"""Tests and test support: support."""
