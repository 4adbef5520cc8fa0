import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from helpers.cluster import Cluster, missing


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.slurm)


@pytest.fixture(scope="session")
def cluster():
    """One node, up in a second or two."""
    if why := missing():
        pytest.skip(f"needs a one-node SLURM: {why}")
    home = Path(tempfile.mkdtemp(prefix="slurm-"))  # short: sockets have short names
    try:
        cluster = Cluster(home)
    except (TimeoutError, subprocess.CalledProcessError) as error:
        shutil.rmtree(home, ignore_errors=True)
        if os.environ.get("PHYSGEN_SLURM") == "optional":
            pytest.skip(f"no SLURM comes up on this machine: {error}")
        raise
    try:
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(home, ignore_errors=True)
