"""Unnormalised physics: one file an action."""
