"""Operations of the commands and of the cluster's Jobs: run a day, provision, reconcile, prune, serve metrics."""
