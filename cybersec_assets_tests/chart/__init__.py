"""Tests and test support: chart."""
