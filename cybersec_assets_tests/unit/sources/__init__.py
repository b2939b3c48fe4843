"""Tests and test support: unit/sources."""
