"""Dagster resources, which open stores, audit and sources for a run from the settings."""
