"""Makes what an installation lacks, and ends."""

from keelstep_operator.bootstrap import program

if __name__ == "__main__":
    program.main()
