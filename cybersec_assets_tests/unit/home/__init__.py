"""Tests and test support: unit/home."""
