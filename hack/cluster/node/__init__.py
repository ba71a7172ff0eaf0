"""The `process` node: a DEVELOPMENT TOOL that runs a Pod's commands as local processes. Needs no root.

It registers a real Node with a real Kubernetes; the scheduler binds Pods to it; `agent` follows
them. It is not a kubelet, isolates nothing and must never run a Pod that you do not trust.

What it honours: containers and init containers (command, args, `$(VAR)`), env (literal, Secret,
ConfigMap, downward API), volumes (secret, configMap, emptyDir, downwardAPI, projected with service
account tokens), restartPolicy, activeDeadlineSeconds, graceful deletion, `kubectl logs`.
What it ignores: images (the command runs in the repository's own environment), resource limits,
securityContext (said once per Pod in the agent's log), probes are refused, Services do not route.
Anything else it cannot honour makes the Pod `Failed` with reason `UnsupportedByProcessNode`.

**Mounts.** A local process has no mount namespace, so nothing appears at a `mountPath`. Each volume
is materialised in the Pod's own folder; its real place is in `$KEELSTEP_MOUNT_<VOLUME>`, and a
`mountPath` at the start of a path in a literal env value, `command`, `args` or `workingDir` is
replaced by the real place. A program that has a mount path compiled in does not find it; for the
service account's token, where every client library does, `$KUBECONFIG` is set. Secrets, ConfigMaps
and tokens are read when a container starts; later changes are not seen until it restarts.

Start reading at `decisions.decide` (what happens next to a Pod), then `worker` (who does it).
"""
