"""Autoregressive networks: a chain of conditional distributions, normalised by construction."""
