"""Compiled loops as pure array functions: no classes, no randomness of their own."""
