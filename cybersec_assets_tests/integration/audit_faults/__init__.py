"""Tests and test support: integration/audit_faults."""
