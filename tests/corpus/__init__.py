"""Logs of real runs, one file each, that every later version must read as the version did that wrote them."""
