r"""The document: tables, figures and numbers of all claims, and ``main.pdf`` made of them.

    assets/tables/<id>.tex    a table a claim (booktabs, siunitx); claims.tex; all.tex has all
    assets/plots/pulls.pdf    every pull between a published number and ours
    refs.bib                  physgen, the works that are compared with, and the methods used
    assets/values.tex         \ours{claim}{key}, \theirs{claim}{key}, \pull{claim}{key} and
                              \counts{verdict}

so no number of the text is typed by hand.  A number that is not there stops LaTeX.  Everything
comes from the records in ``data_assets``; nothing is computed.
"""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from physgen.claims.citing import paper_references
from physgen.claims.claim import Claim, paper_folder
from physgen.claims.records import Rebuilt
from physgen.claims.tables import claims_table, numbers_table, ours_of, published_of
from physgen.core.errors import StoreError
from physgen.results.atomic import replacing
from physgen.workflow.latex import escaped, latex_table
from physgen.workflow.summary import Table

__all__ = ["compile_document", "write_assets"]

_HEAD = r"""% Every number of the text: \ours{claim}{key}, and \theirs{claim}{key} as published.
\makeatletter
\newcommand{\pg@get}[1]{\ifcsname pg@#1\endcsname\csname pg@#1\endcsname\else
  \PackageError{physgen}{there is no number #1; physgen paper run computes it}{}\fi}
\newcommand{\ours}[2]{\pg@get{ours@#1@#2}}
\newcommand{\theirs}[2]{\pg@get{theirs@#1@#2}}
\newcommand{\pull}[2]{\pg@get{pull@#1@#2}}
\newcommand{\counts}[1]{\pg@get{counts@#1}}
\newcommand{\pg@set}[2]{\expandafter\def\csname pg@#1\endcsname{\num{#2}}}
"""


_NOTES = r"""  \par\smallskip
  \begin{minipage}{0.85\linewidth}\footnotesize\raggedright
    %s
  \end{minipage}
"""


def write_assets(
    out: Path, claims: Sequence[Claim], found: Mapping[str, Sequence[Rebuilt]]
) -> list[Path]:
    """Write tables, figures and numbers below ``out/assets``, and refs.bib; return their files.

    Parameters
    ----------
    out : Path
        The folder of the paper.
    claims : sequence of Claim
    found : mapping
        The numbers of each claim, by its name.
    """
    from physgen.plotting.pulls import plot_pulls
    from physgen.plotting.style import render

    texts = {"tables/claims.tex": _table(claims_table(found, claims), "claims")}
    for claim in claims:
        table = numbers_table(claim, found[claim.name], printed=True)
        texts[f"tables/{claim.name}.tex"] = _table(table, claim.name)
    texts["tables/all.tex"] = "".join(f"\\input{{assets/tables/{c.name}.tex}}\n" for c in claims)
    texts["values.tex"] = _values(found)
    pulls = {
        claim.name: [one.pull for one in found[claim.name] if one.pull is not None]
        for claim in claims
    }
    data = {name: text.encode() for name, text in texts.items()}
    data["plots/pulls.pdf"] = render(plot_pulls(pulls), "pdf")
    files = [_written(out / "assets" / name, content) for name, content in data.items()]
    return [*files, _written(out / "refs.bib", paper_references(claims).encode())]


def compile_document(out: Path) -> Path | None:
    """Make ``main.pdf`` of ``main.tex`` by latexmk; None where TeX is not installed.

    Raises
    ------
    StoreError
        If LaTeX fails; the message has its last lines.
    """
    if not (out / "main.tex").exists():
        _written(out / "main.tex", (paper_folder() / "main.tex").read_bytes())
    if shutil.which("latexmk") is None:
        return None
    command = ["latexmk", "-pdf", "-interaction=nonstopmode", "-halt-on-error", "main.tex"]
    done = subprocess.run(command, cwd=out, capture_output=True, text=True, check=False)
    if done.returncode:
        wrong = [line for line in done.stdout.splitlines() if line.startswith(("!", "l."))]
        raise StoreError(
            f"LaTeX must be able to read {out / 'main.tex'}: "
            f"{'; '.join(wrong[:4]) or done.stderr.strip()[-300:]}"
        )
    return out / "main.pdf"


def _table(table: Table, label: str) -> str:
    """Return a table, with its notes below it."""
    text = latex_table(table)
    notes = " ".join(escaped(note) + "." * (not note.endswith(".")) for note in table.notes)
    below = f"  \\label{{tab:{label}}}\n" + (_NOTES % notes if notes else "")
    text = text.replace("\\end{table}", below + "\\end{table}")
    return text.replace("{table}", "{table*}")  # across both columns


def _values(found: Mapping[str, Sequence[Rebuilt]]) -> str:
    lines = [_HEAD.rstrip()]
    for name, numbers in found.items():
        for one in numbers:
            if one.row.verified != "text":
                continue
            where = f"{name}@{one.row.key}"
            if one.row.value is not None:
                lines.append(_set(f"theirs@{where}", published_of(one).rstrip("*")))
            if one.ours is not None:
                lines.append(_set(f"ours@{where}", ours_of(one)))
            if one.pull is not None:
                lines.append(_set(f"pull@{where}", f"{one.pull:+.1f}"))
    total = Counter(one.verdict for numbers in found.values() for one in numbers if one.verdict)
    total |= {"numbers": sum(total.values()), "claims": len(found)}
    lines += [_set(f"counts@{word}", str(count)) for word, count in sorted(total.items())]
    return "\n".join(lines) + "\n\\makeatother\n"


def _set(name: str, number: str) -> str:
    return f"\\pg@set{{{name}}}{{{number}}}"


def _written(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as file:
        file.write(content)
    return path
