"""Does a gateway keep its promises? Real gateway processes, a real broker, a real shop and a real model server.

`driver` plays operator and runner with their own identities; `programs` starts gateways. Start with `test_turn`.
"""
