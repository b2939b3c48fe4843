"""Tests and test support: support/flows."""
