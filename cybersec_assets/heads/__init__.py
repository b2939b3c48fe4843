"""Signed heads of the audit's journal, kept in the object store: a witness outside of the database."""
