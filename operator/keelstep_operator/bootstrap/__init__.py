"""What an installation in a cluster needs before its programs start: keys, credentials, a serving certificate.

Here: `objects` (which Secrets and ConfigMaps there are, pure), `certificates` (the views server's, pure), `settings`,
`program` (makes what is missing, renews what expires). Not here: anything that runs on. Run by a Job before an
installation or upgrade and by a CronJob after: `python -m keelstep_operator.bootstrap`. Start with `objects`.
"""
