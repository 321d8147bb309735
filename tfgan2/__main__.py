"""`python -m tfgan2`: the commands, where no script directory is in the path."""

from tfgan2.cli import main

if __name__ == "__main__":
    main()
