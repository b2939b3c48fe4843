"""Tests; the folders mirror the package's. Every test's docstring is the behaviour that it proves."""
