"""The site: every Markdown page of the repository, and the reference of what physgen exports.

The source of the site is the root of the repository, so that links between pages mean the same in
an editor and on the site.  ``make docs`` writes it to ``build/site``.
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE / "_site")]

import escaping
import reference

import physgen

project = "physgen"
author = "The physgen developers"
version = release = physgen.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "mathml"]
root_doc = "docs/index"
include_patterns = [
    "*.md",
    "docs/**.md",
    "docs/**.ipynb",
    "paper/README.md",
    "workflows/*/README.md",
    "workflows/benchmarks/RESULTS.md",
    "systems/*/README.md",
    "data/*/README.md",
]
exclude_patterns = ["build", ".venv", "runs", "**/.pytest_cache"]

myst_enable_extensions = ["dollarmath", "amsmath"]
myst_disable_syntax = ["html_inline", "html_block"]  # <m> is a mean, not a tag
myst_heading_anchors = 3
smartquotes = False  # phi' is a neighbour, not a quotation
nb_execution_mode = "cache"
nb_execution_in_temp = (
    True  # each from an empty directory, as for somebody who has the wheel alone
)
nb_execution_timeout = 300
nb_execution_raise_on_error = True

autodoc_member_order = "bysource"
suppress_warnings = ["ref.python"]  # words of a type, such as shape, are names of attributes too
autodoc_typehints = "none"  # types stand in the docstrings, in words
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True

copyright = "the physgen developers"

html_theme = "furo"
html_title = f"physgen {release}"
html_copy_source = False
html_show_sourcelink = False
html_math_renderer = "mathml"
html_static_path = ["_site/static"]
html_css_files = ["physgen.css"]
html_extra_path = ["_site/extra"]
html_theme_options = {"navigation_with_keys": True}


def leave_out(app, what, name, thing, skip, options):
    """Leave out what Python itself says of the parts of a named tuple."""
    return True if (getattr(thing, "__doc__", "") or "").startswith("Alias for field") else None


def setup(app):
    """Write the pages of the reference before anything is read; escape prose after napoleon."""
    reference.write(HERE / "api")
    app.connect("autodoc-process-docstring", escaping.escape, priority=600)
    app.connect("autodoc-skip-member", leave_out)
