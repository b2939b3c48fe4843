"""Tests and test support: unit/postgres."""
