"""Tests and test support: support/crash."""
