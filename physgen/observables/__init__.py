"""Functions of configurations."""
