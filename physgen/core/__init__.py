"""The vocabulary: protocols, random streams, errors, checks.  NumPy only."""
