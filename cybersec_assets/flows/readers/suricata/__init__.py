"""Read Suricata's EVE log."""
