"""Labelled synthetic flows for trying the product without a log."""
