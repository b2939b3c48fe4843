"""Files in CYBERSEC_HOME: folders with the project's marker, the audit's folder, and the lock of a day's run."""
