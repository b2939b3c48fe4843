"""Where log files are found: on the local disk or in a bucket."""
