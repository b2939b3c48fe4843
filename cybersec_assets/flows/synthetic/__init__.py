"""Labelled synthetic flows, to try the product without logs."""
