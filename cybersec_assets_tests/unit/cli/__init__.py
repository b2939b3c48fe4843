"""Tests and test support: unit/cli."""
