"""The projector's program, with its own points to die at made known to `points`."""

from keelstep import points
from keelstep.store import main

OWN = ("projector.before.commit", "projector.after.commit")

if __name__ == "__main__":
    points.EXTRA = (*points.EXTRA, *(name for name in OWN if name not in points.EXTRA))
    main.main()
