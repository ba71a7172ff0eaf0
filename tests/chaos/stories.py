"""What happens in each scenario, from asking to the end? Told by its people and its shop; a fault may come at any moment.

Undisturbed, each leads to what its scenario says (`scenarios`); disturbed, it waits for what must come.
"""

from collections.abc import Callable

from tests.chaos.play import Play

Story = Callable[[Play], None]


def plain(play: Play) -> None:
    """It runs, and nobody does anything."""
    play.ask()
    play.until_over()


def approved(play: Play) -> None:
    """A person says yes to what it asks."""
    play.ask()
    play.answer("Approved")
    play.until_over()


def rejected(play: Play) -> None:
    """A person says no."""
    play.ask()
    play.answer("Rejected")
    play.until_over()


def unknown(play: Play) -> None:
    """The shop books and its answer is lost."""
    play.misbehave("/tickets", "cut-after-commit")
    play.ask()
    play.until_over()


def overdue(play: Play) -> None:
    """A read is answered only once the deadline is over."""
    play.misbehave("/orders", "hold")
    play.ask()
    play.until_over()
    play.release()


def found_out(play: Play) -> None:
    """The shop answers 500 and books nothing; nobody can tell until its books can be read."""
    play.misbehave("/credits", "fail", status=500)
    play.misbehave("/orders/1042/credits", "fail", status=500)
    play.ask()
    play.until_over()


def undone(play: Play) -> None:
    """It books and does not answer; its books can be read only once the run has failed."""
    play.misbehave("/credits", "cut-after-commit")
    play.misbehave("/orders/1042/credits", "fail", status=500)
    play.ask()
    play.until_over()


def overdue_undone(play: Play) -> None:
    """The same after something was done, which is then undone."""
    play.misbehave("/orders/1071", "hold")
    play.ask()
    play.until_over()
    play.release()


def suspended(play: Play) -> None:
    """It is held in the middle of a call, and goes on."""
    play.misbehave("/credits", "hold")
    play.ask()
    play.until_held()
    play.wish(suspend=True)
    play.until_phase("Suspended")
    play.release()
    play.wish(suspend=False)
    play.until_over()


def cancelled(play: Play) -> None:
    """It is cancelled in the middle of a call."""
    play.misbehave("/credits", "hold")
    play.ask()
    play.until_held()
    play.wish(cancel=True)
    play.until_phase("Unwinding")
    play.release()
    play.until_over()


def killed(kill: Story) -> Story:
    """It is killed so in the middle of a call."""

    def story(play: Play) -> None:
        play.misbehave("/credits", "hold")
        play.ask()
        play.until_held()
        kill(play)
        play.release()
        play.until_over()

    return story


def taken_over(play: Play) -> None:
    """Whoever made the call that is held dies, and nobody that the shop still answers is left."""
    play.misbehave("/credits", "hold")
    play.ask()
    if play.until_held():
        play.stage.kill(owner(play))
    play.until_over()
    play.release()


def model_lost(play: Play) -> None:
    """The gateway that waits for the model dies."""
    board = play.stage.board

    def die(visit: object) -> str:
        return "kill"

    board.arm("gateway.before.model", 1, die)
    play.ask()
    play.until_over()


def model_failed(play: Play) -> None:
    """The model cannot be reached for a while."""
    link = play.stage.links["gateway-model"]
    link.is_refusing = True
    try:
        play.ask()
        play.until(
            "a model call to fail",
            lambda: play.is_over or visits(play, "gateway.after.model.replied") >= 1,
        )
    finally:
        link.is_refusing = False
    play.until_over()


def paced(play: Play) -> None:
    """Two runs call a tool that may be called once a second."""
    play.ask(f"rival {play.goal}: as fast as it can", "rival")
    play.ask()
    play.until_all_over()


def capped(play: Play) -> None:
    """Two runs call a tool that takes its time, and may be called by one of them at once."""
    play.misbehave("/credits", "slow", seconds=0.7, times=1_000)
    paced(play)


def left_alone(play: Play) -> None:
    """The shop does not work for two calls; the third one finds the breaker open, the fourth one closes it."""
    play.misbehave("/credits", "fail", status=500, times=2)
    play.ask()
    play.until_over()


def spent(play: Play) -> None:
    """Two runs want more than their namespace may spend in a day."""
    play.allow_daily("0.50")
    paced(play)


def drifted(play: Play) -> None:
    """The server says something else of the tool than was reviewed, to every call; people are told."""
    play.ask()
    play.until_over()

    def is_shown() -> bool:
        found = (play.find("toolcontracts", "reviewed") or {}).get("status", {}).get("conditions", [])
        return any(each["type"] == "Drifted" and each["status"] == "True" for each in found)

    play.until("the contract to be Drifted", is_shown)


def discarded(play: Play) -> None:
    """The run comes to nothing, and a person says that it is done with."""
    play.ask()
    play.until_over()
    play.wish(discard="seen to by hand")
    xid = play.status()["executionID"]
    play.until_said("the discard", "SPINE-0", f"spine.0.{play.tenant}.{xid}.op", "feedback.given")


def kill_tool(play: Play) -> None:
    """Stop the tool whose call is held."""
    play.kill("toolcontracts", "credit")


def visits(play: Play, point: str) -> int:
    """How often a point was passed so far."""
    return sum(visit.point == point for visit in play.stage.board.record.visits)


def owner(play: Play) -> str:
    """The gateway that sent last."""
    sent = [visit.name for visit in play.stage.board.record.visits if visit.point == "gateway.before.send"]
    return sent[-1] if sent else "gateway-1"
