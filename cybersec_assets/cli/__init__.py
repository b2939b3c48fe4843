"""The command `cybersec`. Modules here parse arguments and print; the work is done in `operations`."""
