"""Pure tests: no server, no network, no mock library."""
