"""Tests and test support: unit/model."""
