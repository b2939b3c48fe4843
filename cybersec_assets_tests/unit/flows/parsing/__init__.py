"""Tests and test support: unit/flows/parsing."""
