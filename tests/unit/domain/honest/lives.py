"""A run's whole life, from a seed."""

from random import Random

from tests.unit.domain.honest.gateway import gateway
from tests.unit.domain.honest.law import operator
from tests.unit.domain.honest.world import (
    World,
)


def live(seed: int, *, most_ticks: int = 30_000) -> World:
    """A run's whole life. Gateways that died are replaced under a new name.

    Raises:
        AssertionError: an honest append was void, or the run did not end although everybody went on.
    """
    world = World(random=Random(seed))
    world.actors.append(("op", operator(world)))
    for ticks in range(most_ticks):
        world.is_calm = ticks > 3_000
        gateways = sorted(world.owners)
        if len(gateways) < 2:
            name = f"gw-{ticks}"
            world.owners.add(name)
            world.actors.append((name, gateway(world, name)))
        world.tick()
        if not any(name == "op" for name, _ in world.actors):
            return world
    raise AssertionError(
        f"seed {seed}: the run did not end; last {world.events[-1].type} of {world.state.seq}"
    )
