"""Tests that kill workers at every point of the write path and check what they leave."""
