"""A real Kubernetes on a bare machine, for development and tests.

Here: the programs (built once from pinned Go modules, `gomod/`), the control plane as a library
(`controlplane`), clusters that stay up (`lifecycle`, the command line in `cli`) and the node agent
that runs Pods as local processes (`node/`). Not here: anything that production runs.

Start reading at `lifecycle.up`. Run it: `python -m hack.cluster up`.
"""
