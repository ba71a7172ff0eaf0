"""Where does a runner's process enter? Here, by the console script `keelstep-runner`; `process` does the rest.

Kept apart so that `lean` has its say before anything large is imported. Must not import it at the top.
"""

from keelstep_runner import lean


def main() -> None:
    """Run one attempt of one execution; everything it needs is in the environment."""
    with lean.importing():
        from keelstep_runner import process
    process.run()
