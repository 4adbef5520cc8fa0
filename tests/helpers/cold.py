"""Processes that compile kernels into one directory at once, and what they compute."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# Sums of small integers, exact in every type; each process asks for the types in another order,
# so that several write to the same files of the cache at the same time.
CODE = """
import sys
import numpy as np
from physgen.kernels.cpu.bond_sums import bond_products
types = ["float32", "float64", "int64", "int32"]
first = int(sys.argv[1]) % len(types)
for kind in types[first:] + types[:first]:
    x, out = np.arange(12).reshape(2, 6).astype(kind), np.zeros(2)
    bonds = np.stack([np.arange(6), np.roll(np.arange(6), -1)], 1).astype(np.int32)
    bond_products(x, bonds, out)
    print(kind, *out.astype(int))
"""
RIGHT = {f"{kind} 40 436" for kind in ("float32", "float64", "int64", "int32")}


def wrong_processes(cache: Path, n: int) -> list[str]:
    """Return what those of `n` processes said that did not compute the right numbers."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
    processes = [
        subprocess.Popen([sys.executable, "-c", CODE, str(k)], env=environment, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for k in range(n)
    ]  # fmt: skip
    told = ["\n".join(process.communicate()) for process in processes]
    return [text for text in told if set(text.strip().splitlines()) != RIGHT]
