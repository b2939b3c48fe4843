"""PostgreSQL: connections, errors, roles and databases, the embedded server, and Dagster's own database."""
