"""Tests and test support: unit/flows/synthetic."""
