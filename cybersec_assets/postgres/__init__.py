"""PostgreSQL servers: the embedded one, roles and databases, and Dagster's own database."""
