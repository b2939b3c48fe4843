"""The audit's journal: SQL only. Signed heads are in `audit.heads`, the verifier in `audit.verify`."""
