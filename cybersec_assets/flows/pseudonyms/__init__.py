"""Pseudonyms in place of addresses."""
