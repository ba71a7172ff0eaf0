"""One execution's log on a real broker: the fence and its four outcomes, reads, and how a runner asks a gateway."""
