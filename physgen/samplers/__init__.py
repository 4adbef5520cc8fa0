"""Markov chains: one file an algorithm, and `run`, the only sampling loop."""
