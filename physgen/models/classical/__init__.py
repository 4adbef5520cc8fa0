"""Densities that are estimated from configurations by a formula or a solver of their own."""
