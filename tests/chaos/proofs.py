"""Does the checker notice? For every seeded defect a run that provokes it, and the findings of which one must name it.

Each recipe is a counterexample of `tests/model`, played with the real programs. Without its defect the same recipe must
leave nothing to find: what is caught is the defect, not the provocation.
"""

import asyncio
import base64
import hashlib
import json
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import nats

from tests.chaos import defects, faults, matrix, scenarios, stories
from tests.chaos.checker import evidence
from tests.chaos.checker.case import Finding
from tests.chaos.play import RUN, Play
from tests.chaos.scenarios import Scenario
from tests.chaos.stage import GATEWAYS, Stage
from tests.chaos.stories import Story
from tests.chaos.switchboard import Visit

PATIENCE_SECONDS = 25.0
"""Longer than a claim lives, its grace and a sweep: what heals has healed."""
LATE_SECONDS = 3.0
"""A process that was let go on has done what it was about to do by then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """One provocation."""

    story: Story
    like: str
    """The scenario whose goal and effects it has."""
    caught_by: frozenset[str]
    """Names of findings; one of them must be there."""
    effects: Mapping[str, int] | None = None
    may_be_unknown: bool = True
    tolerates: frozenset[str] = frozenset()
    """Findings that the provocation itself leaves, without any defect."""


def prove(at: Stage, name: str, *, is_seeded: bool = True) -> list[Finding]:
    """Play a defect's recipe, with or without the defect; what was found."""
    recipe = RECIPES[name]
    at.defects = (name,) if is_seeded else ()
    at.restart("operator-1", *GATEWAYS, "projector")
    try:
        return _play(at, recipe, is_seeded=is_seeded)
    finally:
        at.defects = ()


def _play(at: Stage, recipe: Recipe, *, is_seeded: bool) -> list[Finding]:
    like = scenarios.named(recipe.like)
    effects = recipe.effects if recipe.effects is not None else like.effects
    scenario: Scenario = replace(like, story=recipe.story, effects=effects)
    played = matrix.tell(at, scenario, lambda: None, faults.Running(at))
    expected = played.expected(scenario, may_be_unknown=recipe.may_be_unknown, may_send_late=False)

    def is_caught(found: Sequence[Finding]) -> bool:
        names = {each.name for each in found}
        return bool(recipe.caught_by & names) if is_seeded else not names - recipe.tolerates

    _, found = matrix.judge(at, played, expected, is_enough=is_caught, patience_seconds=PATIENCE_SECONDS)
    return [*played.findings, *(each for each in found if each.name not in recipe.tolerates)]


# what recipes are made of


def _freeze(play: Play, point: str, times: int = 1) -> Callable[[], Visit | None]:
    """Have whoever gets there stand still; tells who does, once somebody does."""
    frozen: list[Visit] = []

    def effect(visit: Visit) -> str:
        frozen.append(visit)
        return "stop"

    play.stage.board.arm(point, times, effect)
    return lambda: frozen[0] if frozen else None


def _thaw(visit: Visit) -> None:
    os.kill(visit.pid, signal.SIGCONT)
    time.sleep(LATE_SECONDS)


def _frozen_while_others_go_on(point: str, times: int, goal: str, goal_times: int) -> Story:
    """Somebody stands still at a point until others got somewhere, and then does what it was about to do."""

    def story(play: Play) -> None:
        who = _freeze(play, point, times)
        play.ask()
        visit = play.until(f"somebody at {point}", who)
        play.until(f"others at {goal}", lambda: play.is_over or stories.visits(play, goal) >= goal_times)
        _thaw(visit)
        play.until_over()

    return story


def _plain(play: Play) -> None:
    play.ask()
    play.until_over()


def _killed_before_the_claim(play: Play) -> None:
    play.stage.board.arm("gateway.before.tool.called", 1, lambda visit: "kill")
    _plain(play)


def _name_reused(play: Play) -> None:
    """The resource goes while nobody looks; another one of its name asks for something else."""
    _plain(play)
    secrets = f"/api/v1/namespaces/{play.tenant}/secrets"
    admin = play.stage.person("admin")
    play.until(
        "the run to be tidied up",
        lambda: not any("identity.creds" in each.get("data", {}) for each in admin.get(secrets)["items"]),
    )
    play.stage.unwant("operator-1")
    play.stage.person("admin").delete(play.path("executions", RUN))
    play.until("the resource to be gone", lambda: play.find("executions", RUN) is None)
    play.ask("work: something else")
    play.stage.want("operator-1")
    play.until("the operator to have looked", lambda: play.status().get("phase"))


def _forged(play: Play) -> None:
    """The runner approves its own question."""
    play.ask()
    play.until_phase("WaitingForApproval")
    asyncio.run(_forge(play))
    time.sleep(LATE_SECONDS)
    play.answer("Rejected")
    play.until_over()


async def _forge(play: Play) -> None:
    xid = play.status()["executionID"]
    at = play.stage
    secrets = at.person("admin").get(f"/api/v1/namespaces/{play.tenant}/secrets")["items"]
    identity = next(each for each in secrets if "identity.creds" in each.get("data", {}))
    folder = at.platform.folder / "forger"
    _write_identity(folder, identity["data"]["identity.creds"])
    seen = await asyncio.to_thread(evidence.gather, at.witness(), play.tenant, RUN, xid, 0)
    last = seen.messages[-1]
    asked = next(each for each in seen.messages if each.event["type"] == "gate.requested").event
    plan = next(each for each in seen.messages if each.event["type"] == "plan.proposed").event
    started = seen.messages[0].event["data"]
    event = {
        **asked,
        "id": "f" * 32,
        "type": "gate.decided",
        "seq": last.event["seq"] + 1,
        "prev": hashlib.sha256(last.payload).hexdigest(),
        "data": {
            "plan_seq": asked["data"]["plan_seq"],
            "index": 0,
            "request_seq": asked["seq"],
            "verdict": "approved",
            "args_digest": plan["data"]["steps"][0]["args"]["digest"],
            "contract_digest": started["contracts"]["refund"]["digest"],
        },
    }
    nc = await nats.connect(
        at.platform.places.broker_url,
        user_credentials=str(folder),
        inbox_prefix=f"_INBOX.{xid}.a1".encode(),
    )
    try:
        await nc.request(f"spine.0.{play.tenant}.{xid}.a1", json.dumps(event).encode(), timeout=5)
    finally:
        await nc.close()


def _write_identity(path: Path, encoded: str) -> None:
    path.write_bytes(base64.b64decode(encoded))
    path.chmod(0o600)


def _runner_killed_during_a_call(play: Play) -> None:
    play.misbehave("/tickets", "hold")
    play.ask()
    play.until_held()
    os.kill(play.stage.runner_pid(play.status()["executionID"]), signal.SIGKILL)
    play.until("the next attempt", lambda: play.is_over or play.status().get("attempt", 0) > 1)
    play.release()
    play.until_over()


def _tool_killed_before_the_send(play: Play) -> None:
    who = _freeze(play, "gateway.after.tool.called")
    play.ask()
    visit = play.until("a claim", who)
    switch = {"engaged": True, "reason": "chaos"}
    path = play.path("toolcontracts", "credit")
    play.stage.person("admin").merge(path, {"spec": {"killSwitch": switch}})

    def is_latched() -> bool:
        status = (play.find("toolcontracts", "credit") or {}).get("status", {})
        return bool(status.get("killSwitch", {}).get("engaged"))

    play.until("the kill to be latched", is_latched)
    play.note_stop("credit")
    _thaw(visit)
    play.until_over()


def _owner_killed_during_a_call(play: Play) -> None:
    play.misbehave("/tickets", "hold")
    play.ask()
    play.until_held()
    play.stage.kill(stories.owner(play))
    play.until_over()
    play.release()


def _run_and_owner_killed_during_a_call(play: Play) -> None:
    play.misbehave("/credits", "hold")
    play.ask()
    play.until_held()
    play.stage.kill(stories.owner(play))
    play.kill("executions", RUN)
    play.until_over()
    play.release()


def _read_again_when_it_has_lapsed(play: Play) -> None:
    """An approval is given and used in time; later an operator reads the log from its beginning."""
    play.ask()
    play.answer("Approved")
    play.until_over()
    time.sleep(APPROVAL_SECONDS)
    play.stage.restart("operator-1")
    # something to look at again for
    play.stage.person("admin").merge(
        play.path("executions", RUN), {"metadata": {"labels": {"seen": "again"}}}
    )
    time.sleep(LATE_SECONDS)


def _crowded(play: Play) -> None:
    """More runs than gateways want what only one of them may do at once."""
    play.misbehave("/credits", "slow", seconds=0.7, times=1_000)
    for number in range(RIVALS):
        play.ask("rival capped: as fast as it can", f"rival-{number}")
    play.ask()
    play.until_all_over()


RIVALS = 3
APPROVAL_SECONDS = 6.0
"""The contract `brief` lets an approval be used so long."""
_CLAIMING = ("gateway.before.tool.called", 1, "gateway.after.tool.called", 1)
_VOID = frozenset({"AcknowledgedVoid", "StrayMessage"})
RECIPES: Mapping[str, Recipe] = {
    defects.NO_FENCE: Recipe(story=_frozen_while_others_go_on(*_CLAIMING), like="work", caught_by=_VOID),
    defects.CLAIM_LAST: Recipe(
        story=_killed_before_the_claim,
        like="work",
        caught_by=frozenset({"EffectBeforeClaim", "EffectWithoutClaim"}),
    ),
    defects.WRONG_KEY: Recipe(story=_plain, like="equal", caught_by=frozenset({"DuplicateEffect"})),
    defects.MEMORY: Recipe(story=_plain, like="work", caught_by=frozenset({"StatusDisagrees"})),
    defects.STALE_APPEND: Recipe(story=_frozen_while_others_go_on(*_CLAIMING), like="work", caught_by=_VOID),
    defects.ADOPT_BY_NAME: Recipe(story=_name_reused, like="work", caught_by=frozenset({"WrongLog"})),
    defects.ACCEPT_VOID: Recipe(
        story=_forged,
        like="rejected",
        caught_by=frozenset({"ClaimNotAllowed", "UnexpectedEffect", "EffectWithoutClaim"}),
        tolerates=frozenset({"StrayMessage"}),
    ),
    defects.MINE_BY_ID: Recipe(
        story=_frozen_while_others_go_on("gateway.before.tool.result", 2, "gateway.after.tool.result", 2),
        like="work",
        caught_by=frozenset({"AcknowledgedLost"}),
    ),
    defects.RESULT_YIELDS: Recipe(
        story=_runner_killed_during_a_call,
        like="work",
        caught_by=frozenset({"UnknownWithoutCause"}),
        may_be_unknown=False,
    ),
    defects.SEND_UNCHECKED: Recipe(
        story=_tool_killed_before_the_send, like="work", caught_by=frozenset({"SentAfterStop"})
    ),
    defects.TAKE_UNCHECKED: Recipe(
        story=_owner_killed_during_a_call, like="work", caught_by=frozenset({"DuplicateEffect"})
    ),
    defects.NO_SWEEP: Recipe(
        story=_run_and_owner_killed_during_a_call, like="killed-run", caught_by=frozenset({"OpenClaim"})
    ),
    defects.EXPIRY_IN_FOLD: Recipe(
        story=_read_again_when_it_has_lapsed,
        like="expired",
        caught_by=_VOID | {"StatusDisagrees", "NotEndedOnce"},
        effects={"refund 6.00": 1},
    ),
    defects.DAY_IN_MEMORY: Recipe(story=stories.spent, like="spent", caught_by=frozenset({"OverDay"})),
    defects.OWN_PLACES: Recipe(
        story=_crowded,
        like="capped",
        caught_by=frozenset({"TooManyAtOnce"}),
        effects={"credit 1.11": 1, "credit 1.12": 1, "credit 1.14": RIVALS, "credit 1.15": RIVALS},
    ),
}
