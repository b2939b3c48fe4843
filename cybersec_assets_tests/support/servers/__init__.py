"""Servers for the tests of the stack."""
