"""How are images built and loaded from a shell? `python -m hack.images …`. Holds no logic."""

from hack.images import cli

if __name__ == "__main__":
    cli.main()
