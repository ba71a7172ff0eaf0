"""Do real documents and real servers become contracts that work? Kubernetes' own API, and the MCP SDK's own examples."""
