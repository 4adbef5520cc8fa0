"""Geometry: sites, bonds, colours, momenta."""
