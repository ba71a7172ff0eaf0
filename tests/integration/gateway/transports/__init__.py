"""Do the transports tell the truth, and lead nowhere else? Against servers and programs of the tests' own.

`caller` makes calls of a contract through the gateway's own router; `server` misbehaves by path. Start with `test_http`.
"""
