"""The benches that need servers."""
