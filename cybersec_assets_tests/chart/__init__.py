"""Tests of the chart, rendered by a real Helm."""
