"""The demo on a person's own cluster: how it is reached, how images get there, what is installed and taken away.

Only the context that was named is ever touched. Start at `steps`; the demo on this machine is `hack.demo.parts`.
"""
