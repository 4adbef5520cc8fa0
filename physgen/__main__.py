"""``python -m physgen`` is ``physgen``."""

from physgen.cli import command

if __name__ == "__main__":
    command()
