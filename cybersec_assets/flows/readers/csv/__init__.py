"""CSV and other tables with a delimiter."""
