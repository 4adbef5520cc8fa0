"""What single marks of a text mean: letters of bases, results, and lost qubits."""

from __future__ import annotations

import re

__all__ = ["LETTERS", "LOST", "LOST_CHARACTERS", "LOST_WORDS", "PAIRS", "BadRow"]

LETTERS = {letter: 10 + k for k, pair in enumerate(("Zz", "Xx", "Yy")) for letter in pair}
LOST = 99  # the value of a lost qubit
LOST_CHARACTERS = "-?_*"
LOST_WORDS = ("nan", "na", "none", "null", "lost", *LOST_CHARACTERS)
PAIRS = re.compile(r"([XYZxyz])([+-]?1|0|[+\-?_*])")  # a basis and its result


class BadRow(ValueError):
    """Row `row` of a block of shots breaks `rule`."""

    def __init__(self, row: int, rule: str) -> None:
        super().__init__(rule)
        self.row, self.rule = row, rule
