"""Is what Helm makes of the charts accepted, and what a platform team wants? With Helm and an API server, both real."""
