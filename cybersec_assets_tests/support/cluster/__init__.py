"""The chart and the cluster, as the tests use them."""
