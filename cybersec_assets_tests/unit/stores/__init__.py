"""Tests and test support: unit/stores."""
