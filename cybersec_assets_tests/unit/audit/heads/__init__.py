"""Tests and test support: unit/audit/heads."""
