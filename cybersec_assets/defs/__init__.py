"""What Dagster sees: assets, checks, jobs, partitions, IO managers and resources."""
