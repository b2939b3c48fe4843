"""Tests and test support: integration/processes."""
