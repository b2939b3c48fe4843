"""Workers that are killed at every point of the write path, and what they leave behind."""
