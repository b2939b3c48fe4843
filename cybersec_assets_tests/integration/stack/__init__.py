"""Tests and test support: integration/stack."""
