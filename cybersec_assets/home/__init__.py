"""Files in CYBERSEC_HOME: the marker of our folders, and the lock of a day's run."""
