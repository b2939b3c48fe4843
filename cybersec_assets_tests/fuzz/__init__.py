"""Whatever bytes a file has, reading it ends soon, with the right count or with one clear line."""
