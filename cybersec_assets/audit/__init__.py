"""What ran, on which data, with which result, in PostgreSQL. Knows only SQL."""
