"""Tests and test support: unit/operations."""
