"""Fuzz tests: reading any bytes ends soon, with the right counts or with a one-line error."""
