"""How do the tools of an MCP server become contracts, one for each?

What is here: `listing` (asks a server what it offers; needs the extra `mcp`) and `tools` (makes contracts of that). What is
not: calls of tools, which are the gateway's. Start with `tools`.
"""
