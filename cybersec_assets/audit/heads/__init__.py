"""Signed heads of the audit's chain, kept in the object store as a witness outside of the database."""
