"""Tests of the image and the chart on a real cluster."""
