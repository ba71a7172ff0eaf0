"""What happens to a person's cluster? Looked at, given images, three charts, a question to approve; or all of it undone.

    up     look (keelstep doctor) ─► what is there already ─► images ─► namespaces ─► kinds, example, keelstep ─► it asks
    down   keelstep, whose API would hold a namespace up once its server is gone ─► the namespaces ─► the kinds

Only namespaces that bear our mark are ever removed, and with them only what lies in them. Every step may be done again.
"""

import json
import shlex
import shutil
import subprocess
import sys

from rich.console import Console

from hack import helm
from hack.cluster import progress, settings
from hack.demo.theirs import access, images, seen
from hack.demo.theirs.access import Access
from hack.demo.theirs.images import Images
from keelstep import kinds

RELEASES = (("keelstep-crds", seen.SYSTEM), (seen.TENANT, seen.TENANT), ("keelstep", seen.SYSTEM))

out = Console(highlight=False, soft_wrap=True)


def up(configured: settings.Settings, context: str, registry: str, shown: progress.Progress) -> None:
    """Install the demo on the cluster of a context, up to the question that a person answers.

    Raises:
        ContextError, DeliveryError, StepError, HelmError, CommandError, ImagesError, ClusterError: it did not go on; it
            may be run again.
    """
    is_new = not access.place(configured, context).exists()
    reached = access.reach(configured, context, shown)
    try:
        has_storage = _look(reached)
        _check_unclaimed(reached)
        way = None if registry else images.way_into(reached, configured)
        images.check_architecture(reached)
    except BaseException:
        if is_new:
            shutil.rmtree(reached.folder)  # nothing was made there: no copy of anybody's credentials stays
        raise
    got = images.deliver(way, registry, configured, shown)
    for namespace in (seen.SYSTEM, seen.TENANT):
        if not seen.exists(reached, namespace):
            reached.kubectl.run("create", "-f", "-", stdin=json.dumps(_namespace(namespace)))
    _install(reached, got, shown, has_storage=has_storage)
    gate = _until_it_asks(reached, shown)
    _tell(reached, gate)


def down(configured: settings.Settings, context: str, shown: progress.Progress) -> bool:
    """Take the demo away from the cluster of a context; False where it was not there.

    Raises:
        ContextError, HelmError, CommandError, ClusterError: it did not go on; it may be run again.
    """
    reached = access.reach(configured, context, shown)
    ours = [namespace for namespace in (seen.TENANT, seen.SYSTEM) if seen.is_ours(reached, namespace)]
    if seen.SYSTEM in ours:
        for release in ("keelstep", "keelstep-crds"):
            if seen.release(reached, release, seen.SYSTEM) is not None:
                with shown.step(f"Uninstalling {release}"):
                    reached.helm.run("uninstall", release, "-n", seen.SYSTEM, "--wait", "--timeout", "3m")
    for namespace in ours:
        with shown.step(f"Removing the namespace {namespace} and what lies in it"):
            reached.kubectl.run("delete", "namespace", namespace, "--wait=true", "--timeout=180s")
    if seen.SYSTEM in ours:
        _remove_kinds(reached, shown)
    shutil.rmtree(reached.folder)
    return bool(ours)


def _look(reached: Access) -> bool:
    """Tell what is missing, before anything is made; whether there are volumes for the embedded servers.

    Raises:
        StepError: something is missing without which there is no installation.
    """
    words = (
        "doctor",
        "--before-install",
        "--output",
        "json",
        "--kubeconfig",
        str(reached.kubectl.kubeconfig),
    )
    done = subprocess.run(
        [sys.executable, "-m", "keelstep.cli.main", *words],
        env=reached.kubectl.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.stdout.startswith("["):
        raise seen.StepError(f"{reached.context}: {done.stderr.strip() or 'keelstep doctor said nothing'}")
    checks = json.loads(done.stdout)
    out.print(f"\n$ keelstep doctor --before-install --context {reached.context}", style="cyan", markup=False)
    for each in checks:
        fix = f"; {each['fix']}" if each["fix"] else ""
        out.print(f"  {each['result']:4} {each['check']}: {each['finding']}{fix}", markup=False)
    if missing := [each["check"] for each in checks if each["result"] == "fail"]:
        raise seen.StepError(f"{reached.context} cannot be used yet: see {', '.join(missing)} above")
    return all(each["result"] == "ok" for each in checks if each["check"] == "storage")


def _check_unclaimed(reached: Access) -> None:
    """Nothing of another's is touched.

    Raises:
        StepError: a namespace of these names, or an installation, is there that is not the demo's.
    """
    for namespace in (seen.SYSTEM, seen.TENANT):
        if seen.exists(reached, namespace) and not seen.is_ours(reached, namespace):
            raise seen.StepError(
                f"{reached.context} has a namespace {namespace} that `make demo` did not make; it is left alone. "
                "docs/install.md says how to install keelstep beside what is there"
            )
    listed = reached.kubectl.get(
        "deployments", "--all-namespaces", "-l", "app.kubernetes.io/part-of=keelstep"
    )
    elsewhere = {each["metadata"]["namespace"] for each in listed["items"]} - {seen.SYSTEM}
    if elsewhere:
        raise seen.StepError(
            f"keelstep is installed in {reached.context} already, in {', '.join(sorted(elsewhere))}; a cluster has one "
            "installation"
        )


def _namespace(name: str) -> dict[str, object]:
    labels = dict(label.split("=") for label in (seen.MARK, "pod-security.kubernetes.io/enforce=restricted"))
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def _install(reached: Access, got: Images, shown: progress.Progress, *, has_storage: bool) -> None:
    image = ("--set-string", f"image.registry={got.registry},image.tag={got.tag}")
    values = ["--values", str(helm.CHARTS / "keelstep-example" / "keelstep.yaml")]
    if not has_storage:
        shown.note("no volumes here: broker and Postgres keep nothing beyond their Pods")
        kept = ",".join(f"embedded.{each}.storage.persistent=false" for each in ("nats", "postgres"))
        values += ["--set", kept]
    more = {"keelstep-crds": (), seen.TENANT: image, "keelstep": (*image, *values)}
    titles = {
        "keelstep-crds": "the four kinds",
        seen.TENANT: "the example",
        "keelstep": "keelstep, a broker and Postgres",
    }
    charts = {seen.TENANT: "keelstep-example"}
    for release, namespace in RELEASES:
        with shown.step(f"Installing {titles[release]}") as step:
            if seen.release(reached, release, namespace) not in (None, "deployed"):
                # an earlier run was ended in the middle, or failed: kinds and keys stay
                reached.helm.run("uninstall", release, "-n", namespace)
            chart = str(helm.CHARTS / charts.get(release, release))
            words = ("-n", namespace, "--timeout", "4m", *more[release])
            reached.helm.run("upgrade", "--install", release, chart, *words)
            if release == seen.TENANT:
                seen.until(
                    reached, "the example's servers", lambda: seen.all_available(reached, seen.TENANT), step
                )


def _until_it_asks(reached: Access, shown: progress.Progress) -> str:
    """Wait for the programs, the first run and the question; the gate's name."""
    with shown.step("Waiting for every program") as step:
        seen.until(reached, "every program", lambda: seen.all_available(reached, seen.SYSTEM), step)
    with shown.step(f"Waiting for the first run, {seen.FIRST}") as step:
        seen.until(reached, seen.FIRST, lambda: seen.has_succeeded(reached, seen.FIRST), step)
    with shown.step(f"Waiting for {seen.ASKS} to ask a person") as step:
        seen.until(
            reached, seen.ASKS, lambda: seen.gate(reached) or seen.has_succeeded(reached, seen.ASKS), step
        )
    return seen.gate(reached)


def _tell(reached: Access, gate: str) -> None:
    context = shlex.quote(reached.context)
    kubectl = f"kubectl --context {context}"
    out.print(f"\n{reached.kubectl.run('get', 'executions,approvalgates', '-n', seen.TENANT)}", markup=False)
    if gate:
        decision = {"verdict": "Approved", "approver": "grace", "reason": "the photo shows the leak"}
        patch = json.dumps([{"op": "add", "path": "/spec/decisions/-", "value": decision}])
        out.print(
            f"{seen.ASKS} waits for a person. Read what it asks, and approve it as grace:\n", markup=False
        )
        _line(f"{kubectl} describe approvalgate {gate} -n {seen.TENANT}")
        _line(f"{kubectl} patch approvalgate {gate} -n {seen.TENANT} --as=grace --type=json -p '{patch}'")
        _line(f"{kubectl} wait --for=condition=Succeeded execution/{seen.ASKS} -n {seen.TENANT}")
    out.print("\nThen look at what was done, or take all of it away:\n", markup=False)
    _line(f"{kubectl} get executiontraces {seen.ASKS} -n {seen.TENANT}")
    _line(f"make down CONTEXT={context}")


def _line(command: str) -> None:
    out.print(f"  {command}", style="cyan", markup=False)


def _remove_kinds(reached: Access, shown: progress.Progress) -> None:
    """The chart keeps them; the demo takes them away where nobody else's objects would go with them."""
    plurals = [model.crd.plural for model in kinds.KINDS]
    for plural in plurals:
        name = f"{plural}.{kinds.GROUP}"
        if not reached.kubectl.run("get", "crd", name, "--ignore-not-found", "-o", "name").strip():
            continue
        left = reached.kubectl.get(name, "--all-namespaces")["items"]
        if left:
            places = sorted({each["metadata"]["namespace"] for each in left})
            shown.note(f"the kind {name} stays: there are such objects in {', '.join(places)}")
            continue
        reached.kubectl.run("delete", "crd", name, "--timeout=60s")
