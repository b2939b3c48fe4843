"""The audit under everything that goes wrong around it."""
