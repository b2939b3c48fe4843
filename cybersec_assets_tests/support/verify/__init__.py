"""Histories for tests of the audit's check, and ways to damage them."""
