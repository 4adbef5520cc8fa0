"""Chains of Ising spins in their layouts, and the choice of the layout for a target."""
