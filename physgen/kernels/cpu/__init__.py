"""Numba kernels for one CPU core."""
