"""Tests and test support: unit/defs/resources."""
