"""Tests and test support: unit/audit/verify."""
