"""The default network for measurement strings; docs/recipe.md holds the runs behind it.

Here, apart from the network itself, so that a config can be read without loading torch.
"""

__all__ = ["FAMILY", "HIDDEN", "LAYERS"]

FAMILY = "lstm"
HIDDEN = 64
LAYERS = 2
