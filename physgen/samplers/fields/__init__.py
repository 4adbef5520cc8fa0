"""Chains of real fields: compiled for phi^4, through NumPy or torch for any other force."""
