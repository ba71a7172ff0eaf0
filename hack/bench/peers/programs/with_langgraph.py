"""Forty steps in LangGraph: a graph that goes round, each round saved to Postgres before the next begins.

Argument: the database's address. `durability="sync"` is the mode in which a step that is done stays done.
"""

import asyncio
import sys
import time
import uuid
from typing import TypedDict

from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver  # type: ignore[import-not-found,unused-ignore]
from langgraph.graph import END, START, StateGraph  # type: ignore[import-not-found,unused-ignore]
from psycopg.rows import dict_row  # type: ignore[import-not-found,unused-ignore]
from psycopg_pool import AsyncConnectionPool  # type: ignore[import-not-found,unused-ignore]

from hack.bench.peers.programs import answering

CONNECTIONS = 20


class State(TypedDict):
    """What is saved after each step."""

    number: int
    steps: int
    run: str
    value: str


async def _main(dsn: str) -> None:
    moments: dict[str, list[float]] = {}

    async def add(state: State) -> dict[str, object]:
        moments[state["run"]].append(time.perf_counter())
        return {"number": state["number"] + 1, **answering.add("19.90", str(state["number"]))}

    def goes_on(state: State) -> str:
        return "add" if state["number"] < state["steps"] else END

    graph = StateGraph(State)
    graph.add_node("add", add)
    graph.add_edge(START, "add")
    graph.add_conditional_edges("add", goes_on)
    options = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    async with AsyncConnectionPool(dsn, min_size=CONNECTIONS, max_size=CONNECTIONS, kwargs=options) as pool:
        saver = AsyncPostgresSaver(pool)
        await saver.setup()
        compiled = graph.compile(checkpointer=saver)

        async def run(steps: int) -> answering.Moments:
            name = str(uuid.uuid4())
            found = moments[name] = []
            config = {"configurable": {"thread_id": name}, "recursion_limit": steps + 2}
            begin: State = {"number": 0, "steps": steps, "run": name, "value": ""}
            await compiled.ainvoke(begin, config, durability="sync")
            del moments[name]
            return [*found, time.perf_counter()]

        await answering.serve(run)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1]))
