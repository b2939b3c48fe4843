"""The assets of the graph. They join the domain's functions to the audit; the work is done in `flows` and `model`."""
