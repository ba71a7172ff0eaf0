"""What is looked at to tell whether an installation is well: `cluster`, `broker`, `database`, `certificates`.

Each asks and changes nothing; each finding is a `check.Check`, with its fix. What may not or cannot be seen from where
one stands is said so. The command itself is in `cli.commands.doctor`.
"""
