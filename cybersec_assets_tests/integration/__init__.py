"""Tests and test support: integration."""
