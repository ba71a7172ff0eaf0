"""One module per bench: `run(place)` measures and returns its figures; its sizes stand at its top."""
