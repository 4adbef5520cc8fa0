r"""Formulas as MathML, written when the site is built: pages need no script and no network.

Sphinx hands over LaTeX, ``latex2mathml`` translates it, and browsers draw MathML by themselves, in
a font that lies beside the pages (the mathematics of STIX Two Math, which ``ziamath`` carries).
Two things are better here: names of functions keep a thin space, as in log p and K coth K, and an
unknown command, which would be shown as it is typed, is a warning, which ends the build.
"""

from __future__ import annotations

import contextlib
import html
import logging as python_logging
import re
from importlib.metadata import distribution
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element, tostring
from xml.sax.saxutils import unescape

from docutils import nodes
from fontTools import subset
from latex2mathml.converter import convert_to_element
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
python_logging.getLogger("fontTools").setLevel(python_logging.WARNING)  # says all it does
FONT = "ziamath/fonts/STIXTwoMath-Regular.ttf"
# Latin, Greek, accents; arrows, operators, brackets; alphabets of mathematics.
GLYPHS = [(0x20, 0x180), (0x2B0, 0x400), (0x2000, 0x2300), (0x27C0, 0x2800), (0x1D400, 0x1D800)]
# fmt: off
FUNCTIONS = {
    "arg", "cos", "cosh", "cot", "coth", "det", "dim", "exp", "inf", "lim", "ln", "log", "max",
    "min", "sin", "sinh", "sup", "tan", "tanh", "tr",
}
# fmt: on
_SPACED = {"mrow", "mtd", "mstyle", "math"}  # whose children stand in a line
_LINES = re.compile(r"(\\begin|\\end)\{(?:aligned|split)\}")
_INNER = re.compile(r"\\begin\{(\w+\*?)\}.*?\\end\{\1\}")
# What latex2mathml leaves as it is typed behind \big and its kin.
_BIG = {r"\langle": "⟨", r"\rangle": "⟩", r"\{": "{", r"\}": "}", r"\|": "‖"}


def translated(latex: str, display: bool = False) -> str:
    r"""Return a formula as MathML, with its LaTeX as the text for those who do not see it.

    Parameters
    ----------
    latex : str
        What stands between dollars, or in a display of one or more lines (``\\`` and ``&``).
    display : bool
        Whether it stands on a line of its own.

    Raises
    ------
    ValueError
        If it cannot be read, or has commands that are not known.
    """
    text = " ".join(latex.split())
    written = _LINES.sub(r"\1{align*}", re.sub(r"\\arg\b", r"\\operatorname{arg}", text))
    outer = _INNER.sub("", written)
    if display and (r"\\" in outer or "&" in outer):
        written = rf"\begin{{align*}}{written}\end{{align*}}"
    try:
        tree = convert_to_element(written, display="block" if display else "inline")
    except Exception as error:  # its parsers have errors of their own
        raise ValueError(f"a formula must be LaTeX that latex2mathml reads, got {text}") from error
    for part in tree.iter():
        part.text = _BIG.get(part.text or "", part.text)
        if part.tag != "mtext" and re.search(r"\\|^&$", part.text or ""):
            raise ValueError(f"a formula must have known commands only, got {part.text} in {text}")
    _space(tree)
    tree.attrib.pop("xmlns")
    return unescape(tostring(tree, encoding="unicode")).replace(
        "<math", f'<math alttext="{html.escape(text)}"', 1
    )


def _space(part: Element) -> None:
    """Put thin spaces between names of functions and what stands beside them."""
    children = list(part)
    for child in children:
        _space(child)
    if part.tag not in _SPACED:
        return
    for i in range(len(children) - 1, 0, -1):
        left, right = children[i - 1], children[i]
        # Brackets and operators beside a function need none.
        if (_is_function(left) and right.tag not in ("mo", "mspace")) or (
            _is_function(right) and left.tag not in ("mo", "mspace")
        ):
            part.insert(i, Element("mspace", width="0.17em"))


def _is_function(part: Element) -> bool:
    inner = part[0] if part.tag in ("msup", "msub", "msubsup") else part
    return inner.tag == "mi" and inner.text in FUNCTIONS


def _shown(node: nodes.Element, display: bool) -> str:
    shown = []
    # A display with empty lines is one formula a paragraph.
    for latex in filter(str.strip, node.astext().split("\n\n")):
        try:
            shown.append(translated(latex, display))
        except ValueError as error:
            LOGGER.warning(str(error), location=node, type="math")
            shown.append(f"<code>{html.escape(latex)}</code>")
    return "".join(shown)


def _inline(translator: Any, node: nodes.math) -> None:
    translator.body.append(_shown(node, display=False))
    raise nodes.SkipNode


def _block(translator: Any, node: nodes.math_block) -> None:
    identity = f' id="{node["ids"][0]}"' if node["ids"] else ""
    number = f'<span class="eqno">({node["number"]})</span>' if node.get("number") else ""
    shown = _shown(node, display=True)
    translator.body.append(f'<div class="formula"{identity}>{number}{shown}</div>\n')
    raise nodes.SkipNode


def write_font(path: Path) -> None:
    """Write what formulas need of the font, a fifth of it."""
    options = subset.Options(flavor="woff", layout_features=["ssty", "dtls"], hinting=False)
    whole = str(distribution("ziamath").locate_file(FONT))
    with contextlib.closing(subset.load_font(whole, options)) as font:
        subsetter = subset.Subsetter(options)
        subsetter.populate(unicodes=[code for span in GLYPHS for code in range(*span)])
        subsetter.subset(font)
        subset.save_font(font, str(path), options)


def _add_font(app: Any, error: Exception | None) -> None:
    path = Path(app.outdir) / "_static" / "math.woff"
    if error is None and app.builder.format == "html" and not path.exists():
        write_font(path)


def setup(app: Any) -> dict[str, bool]:
    """Make this the renderer of formulas."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    app.connect("build-finished", _add_font)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
