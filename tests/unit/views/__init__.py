"""What the views make of a log, without any server."""
