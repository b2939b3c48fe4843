"""Tests of the audit's check."""
