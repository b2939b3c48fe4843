"""The image and the chart: rendered by a real Helm, and on a real cluster."""
