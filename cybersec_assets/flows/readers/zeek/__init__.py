"""Zeek's connection log: TSV and JSON."""
