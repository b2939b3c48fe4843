"""The migrations of the audit's schema, one file each."""
