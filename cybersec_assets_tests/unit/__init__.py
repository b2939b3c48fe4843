"""Tests and test support: unit."""
