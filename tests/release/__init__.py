"""Is a release what it promises? Installed with Helm on a real node, upgraded, rolled back, taken away and put back.

`make e2e` runs it: minutes, and root. Start with `hack.release`, what a release is installed on.
"""
