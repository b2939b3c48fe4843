"""Signed heads of the audit's chain, kept in the object store so that the database cannot be truncated unnoticed."""
