"""Does Ctrl-C end the command in good order while it is still loading?"""

import subprocess
import sys

_INTERRUPTED = """
import sys
class Interrupting:
    @staticmethod
    def find_spec(name, path, target=None):
        if name == "keelstep.cli.main":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting)
from keelstep.cli import start
start.main()
"""


def test_who_interrupts_it_while_it_loads_is_shown_no_stack_trace() -> None:
    """It ends as it does later: exit 130, and not a word."""
    done = subprocess.run([sys.executable, "-c", _INTERRUPTED], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
