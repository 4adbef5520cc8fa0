"""Compiled loops as pure array functions, without classes or hidden randomness."""
