"""Energies: actions with weights, on which every sampler runs."""
