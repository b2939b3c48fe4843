"""The audit's check against every kind of damage."""
