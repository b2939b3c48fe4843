"""An independent check of the audit: it reads what the writer wrote and shares no code with it but the schema.

`docs/audit.md` says how entries, heads and rows are made; this package was written from that page.
"""
