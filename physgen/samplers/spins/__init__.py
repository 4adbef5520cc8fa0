"""Chains of Ising spins in their layouts, and which of them a target gets."""
