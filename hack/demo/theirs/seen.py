"""What stands on a person's cluster of the demo? Its namespaces, releases, programs, runs, and what they wait for.

Changes nothing.
"""

import json
import time
from collections.abc import Callable, Iterator

from hack.cluster import progress
from hack.demo.theirs.access import Access
from hack.helm import HelmError
from hack.local.kubectl import CommandError

SYSTEM, TENANT = "keelstep-system", "refunds"
MARK = "keelstep.io/made-by=demo"
"""A label of namespaces: they go with `make down`."""
FIRST, ASKS = "small-claim", "refund-approved"
"""Of the example's runs: one that ends by itself, one that asks a person."""
WAIT_SECONDS = 300.0
POLL_SECONDS = 0.5
NO_IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"})


class StepError(Exception):
    """The cluster cannot be used, or something did not come up; the message says what to do."""


def until(reached: Access, what: str, holds: Callable[[], object], step: progress.Step) -> None:
    """Wait for a condition, telling what does not run yet.

    Raises:
        StepError: it did not hold in time, or cannot: an image is not there.
    """
    deadline = time.monotonic() + WAIT_SECONDS
    while not holds():
        held_up = list(waiting(reached))
        for pod, why in held_up:
            if why in NO_IMAGE:
                raise StepError(
                    f"{pod}: {why}: the cluster has not got its image. With a registry that it pulls from: "
                    f"make demo CONTEXT={reached.context} REGISTRY=registry.example/you"
                )
        step.update(", ".join(f"{pod} ({why})" for pod, why in held_up) or "its Pods run")
        if time.monotonic() > deadline:
            events = reached.kubectl.run("get", "events", "-n", SYSTEM, "--sort-by=.lastTimestamp")
            tail = "\n".join(events.splitlines()[-8:])
            raise StepError(
                f"waited {WAIT_SECONDS:.0f} s for {what}; `make demo` goes on from here. Last:\n{tail}"
            )
        time.sleep(POLL_SECONDS)


def waiting(reached: Access) -> Iterator[tuple[str, str]]:
    """Each Pod of ours that does not run, and why."""
    for namespace in (SYSTEM, TENANT):
        for pod in reached.kubectl.get("pods", "-n", namespace)["items"]:
            name, status = pod["metadata"]["name"], pod.get("status", {})
            states = [*status.get("initContainerStatuses", ()), *status.get("containerStatuses", ())]
            whys = [each["state"]["waiting"]["reason"] for each in states if "waiting" in each["state"]]
            if whys:
                yield name, str(whys[0])
            elif status.get("phase") == "Pending":
                unmet = [each for each in status.get("conditions", ()) if each["status"] == "False"]
                yield name, str(unmet[0].get("reason", "Pending")) if unmet else "Pending"


def all_available(reached: Access, namespace: str) -> bool:
    """Whether a namespace has Deployments, and each is available as it is wanted now."""
    found = reached.kubectl.get("deployments", "-n", namespace)["items"]
    return bool(found) and all(
        any(one["type"] == "Available" and one["status"] == "True" for one in each.get("status", {}).get("conditions", ()))
        and each["status"].get("observedGeneration", 0) >= each["metadata"]["generation"]
        for each in found
    )  # fmt: skip


def has_succeeded(reached: Access, run: str) -> bool:
    """Whether one of the example's runs ended well.

    Raises:
        StepError: it ended otherwise.
    """
    try:
        status = reached.kubectl.get("execution", run, "-n", TENANT).get("status", {})
    except CommandError:
        return False
    if status.get("phase") in ("Failed", "Cancelled", "Killed"):
        raise StepError(
            f"{run} ended {status['phase']}: kubectl describe execution {run} -n {TENANT} says why"
        )
    return bool(status.get("phase") == "Succeeded")


def gate(reached: Access) -> str:
    """The gate by which the example's run asks; empty where it does not."""
    for each in reached.kubectl.get("approvalgates", "-n", TENANT)["items"]:
        is_its = each["spec"].get("executionRef", {}).get("name") == ASKS
        if is_its and each.get("status", {}).get("phase") == "Pending":
            return str(each["metadata"]["name"])
    return ""


def exists(reached: Access, namespace: str) -> bool:
    """Whether a namespace is there."""
    return bool(
        reached.kubectl.run("get", "namespace", namespace, "--ignore-not-found", "-o", "name").strip()
    )


def is_ours(reached: Access, namespace: str) -> bool:
    """Whether a namespace bears our mark."""
    words = ("get", "namespaces", "-l", MARK, "--field-selector", f"metadata.name={namespace}", "-o", "name")
    return bool(reached.kubectl.run(*words).strip())


def release(reached: Access, name: str, namespace: str) -> str | None:
    """A release's status; None where there is none."""
    try:
        told = reached.helm.run("status", name, "-n", namespace, "--output", "json")
    except HelmError as error:
        if "not found" in str(error):
            return None
        raise
    return str(json.loads(told)["info"]["status"])
