"""Dagster resources. They join the settings to stores, audit and sources; no other module opens those for a run."""
