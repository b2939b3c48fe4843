"""Tests and test support: unit/flows/readers/zeek."""
