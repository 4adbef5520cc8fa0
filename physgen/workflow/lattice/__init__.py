"""Markov chains over a scan of lattice sizes and couplings: sample, validate."""
