"""Check the audit: journal, event tables, signed heads and objects. Shares no code with the writer."""
