"""Tests and test support: support/stores."""
