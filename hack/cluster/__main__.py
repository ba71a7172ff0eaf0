"""How is the local cluster run from a shell? `python -m hack.cluster …`. Holds no logic."""

from hack.cluster import cli

if __name__ == "__main__":
    cli.main()
