"""Normalizing flows: densities of real fields, from a base and a diffeomorphism."""
