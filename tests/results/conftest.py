import os
import tempfile
from pathlib import Path

import pytest


@pytest.fixture
def area(tmp_path):
    """A directory in memory, where a flush costs nothing; flushes are simulated anyway."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        yield Path(directory)
