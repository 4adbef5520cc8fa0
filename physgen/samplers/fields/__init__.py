"""Chains of real fields: compiled for local actions and dense energies, else through NumPy."""
