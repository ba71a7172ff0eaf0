"""The programs' images: built from the Containerfile with buildah, weighed, listed part by part, loaded into a node.

Here: `catalogue` (which images there are), `base` (what they stand on, with and without a registry), `buildah` (the
tool), `build`, `sbom` (the bill of materials), `cli`. Not here: how a node runs them (`hack.cluster`), nor any
publishing. Start with `build`. Run it: `python -m hack.images build`.
"""
