"""Benchmarks: the job compared with plain code on the same flows and store. Not part of the product."""
