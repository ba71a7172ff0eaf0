"""How is a tool reached? One module per transport; `transport` says what each must offer.

A transport makes one call and says what it saw. It knows nothing of policy, retries, claims or the log.
"""
