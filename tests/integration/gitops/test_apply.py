"""What comes of manifests that are applied again and again, by somebody else, while agents work?"""

from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.integration.gitops import repository
from tests.integration.gitops.repository import Repository
from tests.integration.kinds import api
from tests.integration.operator import manifests
from tests.integration.operator.actors import Cast
from tests.integration.operator.stage import Stage, condition, status


@pytest.fixture
def git(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """The example's repository, in a tenant of its own; nothing is applied yet."""
    monkeypatch.setenv("KUBECTL_APPLYSET", "true")
    return repository.clone(stage, tmp_path / "repository")


async def test_applying_again_changes_nothing_and_does_nothing_twice(stage: Stage, git: Repository) -> None:
    """At every standing of a run: no difference, no new generation, not one event more in the log."""
    git.sync()
    cast = await Cast.of(stage, git.run)
    assert git.is_in_sync()
    await cast.model()
    plan = await cast.plan(("berth.book", {"ship": "Aurora", "tide": "14:20"}))
    await cast.ask(plan)
    await stage.until_phase(git.run, "WaitingForApproval")
    await _nothing_comes_of_a_sync(stage, git, cast)

    stage.patch(git.run, {"spec": {"cancel": True}})
    await stage.until_phase(git.run, "Cancelled")

    await _nothing_comes_of_a_sync(stage, git, cast)
    assert status(stage.get(git.run) or {})["phase"] == "Cancelled"


async def test_no_program_of_ours_writes_what_a_person_owns(stage: Stage, git: Repository) -> None:
    """By the API server's own record of who wrote which field: the operator wrote statuses, nothing else."""
    git.sync()
    cast = await Cast.of(stage, git.run)
    await cast.model()
    await cast.finish()
    await stage.until_phase(git.run, "Succeeded")

    for found in git.all():
        writers = {
            (entry["manager"], entry.get("subresource", "")) for entry in found["metadata"]["managedFields"]
        }
        assert {manager for manager, part in writers if part != "status"} == {repository.MANAGER}
        assert {part for manager, part in writers if manager != repository.MANAGER} == {"status"}
        assert found["metadata"]["generation"] == 1
        assert not {"labels", "finalizers", "ownerReferences"} & found["metadata"].keys()


async def test_a_kill_stays_latched_when_git_takes_its_switch_back(stage: Stage, git: Repository) -> None:
    """Self-heal reverts the switch, which lifts nothing: new runs wait until a person approves the recovery."""
    git.edit("pilot.yaml", {"spec": {"killSwitch": {"engaged": False}}})
    git.sync()
    cast = await Cast.of(stage, git.run)
    await cast.model()
    ada = stage.governed.persona("ada", ["system:masters"])
    stage.patch(git.strategy, {"spec": {"killSwitch": {"engaged": True, "reason": "berths doubled"}}}, ada)
    await stage.until_phase(git.run, "Killed", "StrategyKilled")

    git.sync()

    assert git.is_in_sync()
    healed = await stage.until(git.strategy, _is_observed, "the operator has seen what Git says")
    assert not healed["spec"]["killSwitch"]["engaged"]
    assert status(healed)["killSwitch"]["engaged"]
    assert condition(healed, "Killed")["status"] == "True"
    late = yaml.safe_load((git.agents / "questions.yaml").read_text())
    late["metadata"]["name"] = "berth-for-borealis"
    (git.agents / "late.yaml").write_text(yaml.safe_dump(late))
    git.take_in("late.yaml")
    git.sync()
    await stage.until_phase(_as(git.run, "berth-for-borealis"), "Pending", "StrategyKilled")
    await stage.until_phase(manifests.gate(git.tenant, status(healed)["killSwitch"]["gate"]), "Pending")
    assert status(stage.get(git.run) or {})["phase"] == "Killed"


async def test_a_kill_that_git_says_nothing_of_is_no_difference(stage: Stage, git: Repository) -> None:
    """Whoever pulls the switch by hand owns it: Git does not put it back."""
    git.sync()
    ada = stage.governed.persona("ada", ["system:masters"])
    stage.patch(git.strategy, {"spec": {"killSwitch": {"engaged": True, "reason": "berths doubled"}}}, ada)

    git.sync()

    assert git.is_in_sync()
    found = await stage.until(git.strategy, lambda one: condition(one, "Killed").get("reason") == "Killed")
    assert found["spec"]["killSwitch"]["engaged"]


async def test_what_git_leaves_out_is_cancelled_and_the_rest_is_left_alone(
    stage: Stage, git: Repository
) -> None:
    """Pruning a run that is under way ends it in good order; agents and contracts stay as they are."""
    git.sync(prune=True)
    cast = await Cast.of(stage, git.run)
    await cast.model()
    before = _versions(git, lambda found: found["kind"] != "Execution")
    git.leave_out("questions.yaml")

    git.sync(prune=True)

    await stage.until_gone(git.run)

    async def has_ended() -> bool:
        return (await cast.state()).is_over

    await stage.awaited(has_ended, "its log says how it ended")
    state = await cast.state()
    assert state.cancelled is not None
    assert state.cancelled.reason == "Deleted"
    assert _versions(git) == before


async def test_what_was_pruned_and_is_applied_again_is_another_run(stage: Stage, git: Repository) -> None:
    """A deletion that the operator saw frees the name: whoever brings the manifest back asks once more."""
    git.sync(prune=True)
    first = await Cast.of(stage, git.run)
    await first.model()
    await first.finish()
    await stage.until_phase(git.run, "Succeeded")
    git.leave_out("questions.yaml")
    git.sync(prune=True)
    await stage.until_gone(git.run)
    git.take_in("questions.yaml")

    git.sync(prune=True)

    again = await Cast.of(stage, git.run)
    assert again.xid != first.xid
    assert (await first.state()).finished is not None


async def test_the_runs_of_git_are_asked_in_the_name_that_stands_there(stage: Stage, git: Repository) -> None:
    """The service account holds createfor; it may not decide what the run then asks."""
    git.sync()
    found = await stage.until(git.run, lambda one: status(one).get("attempt"))
    assert found["spec"]["requestedBy"] == "ada@harbour.example"
    cast = await Cast.of(stage, git.run)
    await cast.model()
    seq = await cast.ask(await cast.plan(("berth.book", {"ship": "Aurora", "tide": "14:20"})))
    gate = manifests.gate(git.tenant, f"berth-for-aurora-g{seq}")
    asked = await stage.until_phase(gate, "Pending")
    assert asked["spec"]["requestedBy"] == "ada@harbour.example"
    answer = {"verdict": "Approved", "approver": git.gitops.name}
    assert git.gitops.patch(gate, {"spec": {"decisions": [answer]}}).status == 403


async def _nothing_comes_of_a_sync(stage: Stage, git: Repository, cast: Cast) -> None:
    """Sync, start the operator anew, and let it work: everything is as it was."""
    seq, attempt = (await cast.state()).seq, (await cast.state()).attempt
    generations = {name: generation for name, (generation, _) in _versions(git).items()}
    git.sync()
    assert git.is_in_sync()
    versions = _versions(git)
    assert {name: generation for name, (generation, _) in versions.items()} == generations
    await stage.operator.stop()
    await stage.operator.start()
    passed = manifests.contract(stage.namespace())
    stage.create(passed)
    await stage.until(
        passed, lambda found: condition(found, "Ready").get("status") == "True", "it works again"
    )
    assert _versions(git) == versions
    state = await cast.state()
    assert (state.seq, state.attempt) == (seq, attempt)


def _versions(
    git: Repository, wanted: Callable[[api.Object], bool] = lambda _: True
) -> dict[str, tuple[int, str]]:
    """Generation and resource version of everything that Git owns."""
    return {
        f"{found['kind']}/{found['metadata']['name']}": (
            found["metadata"]["generation"],
            found["metadata"]["resourceVersion"],
        )
        for found in git.all()
        if wanted(found)
    }


def _as(manifest: api.Object, name: str) -> api.Object:
    return api.merge(manifest, {"metadata": {"name": name}})


def _is_observed(found: api.Object) -> bool:
    return bool(status(found)["observedGeneration"] == found["metadata"]["generation"])
