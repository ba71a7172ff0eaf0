"""A node that is one: the real kubelet, containerd and runc, a Pod network, kube-proxy and CoreDNS. Needs root.

    this machine                                   namespaces of the node's own (mount, network, process)
    ┌─────────────────────┐  veth pair   ┌──────────────────────────────────────────────────┐
    │ API server  10.n.0.1├──────────────┤10.n.0.2  kubelet · containerd · kube-proxy · DNS │
    └─────────────────────┘              │          bridge ── Pod ── Pod ── Pod             │
                                         └──────────────────────────────────────────────────┘

All that a node changes on a machine (mounts, bridges, firewall rules, kernel settings of networks) happens inside
namespaces that one process holds: when it ends, the kernel takes all of it back, however it ended. So several nodes
run side by side, and nothing has to be tidied up but their control groups.

Here: `requirements` (what the machine must bring), `namespaces`, `link` (the wire to this machine), `cgroups`,
`configuration` and `commands` (what each program is told, how it is started), `parts` (which there are, do they
answer), `archive` (an image of one program), `images` (loading images), `node` (start, stop, is it ready). Not here:
the control plane, and any enforcement of NetworkPolicy, which the bridge plugin does not know. Start with `node`.
"""
