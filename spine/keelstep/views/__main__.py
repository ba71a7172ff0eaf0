"""`python -m keelstep.views` is the program."""

from keelstep.views import main

if __name__ == "__main__":
    main.main()
