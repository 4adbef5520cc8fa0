"""Docstrings say (n, *shape) and |m|, which a reader understands and reStructuredText does not."""

from __future__ import annotations

import re
from typing import Any

# What is left as it is: code, mathematics, roles, emphasis.
_KEPT = re.compile(
    r"``.*?``|:\w+(?::\w+)*:`.*?`|`[^`]*`_?|\*\*[^*]+\*\*|(?<!\w)\*[^\s*(),][^*(),]*\*(?!\w)"
)
_DIRECTIVE = re.compile(r"\s*\.\. [\w-]+::")


def escape(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Put a backslash before stars and bars of the prose of a docstring."""
    inside: int | None = None  # the indentation of a directive whose body this is
    for i, line in enumerate(lines):
        indent = len(line) - len(line.lstrip())
        if inside is not None and line.strip() and indent <= inside:
            inside = None
        if inside is None and _DIRECTIVE.match(line):
            inside = indent
        if inside is None and not line.lstrip().startswith((">>>", "...")):
            lines[i] = _escaped(line)


def _escaped(line: str) -> str:
    parts, end = [], 0
    for kept in _KEPT.finditer(line):
        parts += [_prose(line[end : kept.start()]), kept[0]]
        end = kept.end()
    return "".join([*parts, _prose(line[end:])])


def _prose(text: str) -> str:
    bullet = re.match(r"\s*\* ", text)
    start = bullet.end() if bullet else 0
    return text[:start] + re.sub(r"(?<!\\)([*|])", r"\\\1", text[start:])
