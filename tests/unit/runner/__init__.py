"""The runner as a program: what it needs, what it brings along, where it may die."""
