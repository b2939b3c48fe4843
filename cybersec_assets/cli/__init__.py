"""The command `cybersec`: parse arguments and print results. `operations` does the work."""
