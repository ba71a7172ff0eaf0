"""`python -m keelstep.archive` is the archivist's job."""

from keelstep.archive import main

if __name__ == "__main__":
    main.main()
