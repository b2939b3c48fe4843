"""Tests and test support: unit/audit/journal."""
