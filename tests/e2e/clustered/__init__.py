"""Whole runs where there is more than one of what may be more than one."""
