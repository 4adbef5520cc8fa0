"""``python -m physgen`` is ``physgen``."""

import sys

from physgen.cli import main

if __name__ == "__main__":
    sys.exit(main())
