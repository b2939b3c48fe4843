"""What the commands and the cluster's Jobs do: run a day, provision, reconcile, prune, and serve metrics."""
