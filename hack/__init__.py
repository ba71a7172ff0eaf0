"""Tools of this repository: generators, the local cluster, demo, benchmarks. Nothing of it is installed."""
