"""The log as a whole, copied and brought back: for when the broker and everything on it is gone.

What is here: `snapshot` (one stream, as the broker writes and reads it), `folder` (what a backup is made of), `make`
(every stream in an order that holds together), `restore` (the same backwards, with every open run held). What is not:
Kubernetes' own resources, Postgres (made again from the log), the installation's keys: whoever runs it keeps those.
Start with `make`.
"""
