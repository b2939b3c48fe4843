"""Find log files, on the local disk or in an S3 bucket. What a file contains is not known here."""
