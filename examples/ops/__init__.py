"""The second example: an agent on call that silences alerts and scales services, and whose every step can be undone.

What is here: three tools reached in three ways (`runbooks`: MCP over standard input; `alerts`: MCP over HTTP; `fleet`: an
HTTP service with an OpenAPI document), the contracts that were imported of them and reviewed, and an agent
(`manifests/`, filled in by `render`). Nothing here imports keelstep. Start with `README.md`.
"""
