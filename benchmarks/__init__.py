"""The job beside the plain way of doing it, on the same flows and the same object store; not part of the product."""
