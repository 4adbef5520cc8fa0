"""Numba kernels for one CPU core."""

from physgen.kernels.caching import keep_apart

keep_apart()  # before any kernel is compiled
