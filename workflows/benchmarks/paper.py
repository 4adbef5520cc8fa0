"""Published numbers in numbers: how many are rebuilt, how sharp, what it costs.

python workflows/benchmarks/paper.py --fast | --train | --only KEY ... [--json FILE]

All but the last two rows are counted from the committed records.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import tempfile
import time
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[variable] = "1"

from harness import Figure, Row, main

from physgen.claims import load_claims, read_records
from physgen.claims.claim import paper_folder
from physgen.claims.document import compile_document, write_assets
from physgen.claims.rebuilding import rebuild_all

BUDGET = 30.0  # CPU minutes


def records():
    return {claim.name: read_records(paper_folder(), claim) for claim in load_claims()}


def claims_rebuilt() -> Row:
    found = records()
    whole = [name for name, rows in found.items() if all(one.ours is not None for one in rows)]
    partly = [
        name
        for name, rows in found.items()
        if name not in whole and any(one.ours is not None for one in rows)
    ]
    return Row(len(whole), "claims", detail={"in part": ", ".join(partly), "of": len(found)})


def rows_verified() -> Row:
    rows = [one.row for numbers in records().values() for one in numbers]
    read = [row for row in rows if row.verified == "text" and row.value is not None]
    largest = max(len(numbers) for numbers in records().values())
    return Row(len(read), "numbers", detail={"in the largest claim": largest})


def refuted_with_proof() -> Row:
    found = records()
    refuted = {
        name: sum(one.verdict == "refuted" for one in rows)
        for name, rows in found.items()
        if any(one.verdict == "refuted" for one in rows)
    }
    reasons = {
        one.row.reason for rows in found.values() for one in rows if one.verdict == "refuted"
    }
    return Row(
        sum(refuted.values()),
        "numbers",
        detail={"by claim": str(refuted), "reasons": len(reasons)},
    )


def error_ratio() -> Row:
    ratios = [
        one.error / one.row.error
        for rows in records().values()
        for one in rows
        if one.error and one.row.error
    ]
    return Row(
        statistics.median(ratios),
        "ratio",
        detail={"numbers with both": len(ratios), "largest": max(ratios)},
    )


def typed_numbers() -> Row:
    text = (paper_folder() / "main.tex").read_text()
    body = re.sub(
        r"\\(ours|theirs|pull)\{[^}]*\}\{[^}]*\}|\\counts\{[^}]*\}",
        "",
        text[text.index(r"\begin{abstract}") :],
    )
    return Row(len(re.findall(r"-?\d+\.\d+|\d\(\d+\)", re.sub(r"\$[^$]*\$", "", body))), "numbers")


def cheap_minutes() -> Row:
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()
        done = list(rebuild_all(load_claims(), Path(folder), BUDGET))
        minutes = (time.process_time() - start) / 60
    changed = [f"{d.claim.name} {one.row.key}" for d in done for one in d.changed]
    return Row(
        len(done),
        "claims",
        detail={"CPU minutes": minutes, "changed verdicts": ", ".join(changed) or "none"},
    )


def pdf_minutes() -> Row:
    if shutil.which("latexmk") is None:
        raise SystemExit(
            "pdf_minutes needs latexmk (Debian: latexmk texlive-publishers texlive-science)"
        )
    claims = load_claims()
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        write_assets(Path(folder), claims, records())
        size = compile_document(Path(folder)).stat().st_size
        minutes = (time.monotonic() - start) / 60
    return Row(minutes, "min", detail={"kB": size // 1000})


FIGURES = [
    Figure(
        "claims_rebuilt",
        "claims with every number computed again and a verdict",
        12,
        claims_rebuilt,
    ),
    Figure("rows_verified", "published numbers with a place, read there", 60, rows_verified),
    Figure(
        "refuted_with_proof",
        "numbers that are refuted, each with its reason",
        5,
        refuted_with_proof,
    ),
    Figure(
        "error_ratio",
        "median of our error over the published one, where neither is exact",
        0.3,
        error_ratio,
        at_most=True,
    ),
    Figure("typed_numbers", "results typed by hand in main.tex", 0, typed_numbers, at_most=True),
    Figure(
        "cheap_minutes",
        "claims computed again by `physgen paper run --all --budget 30min`",
        8,
        cheap_minutes,
        slow=True,
    ),
    Figure(
        "pdf_minutes", "main.pdf from committed records", 3, pdf_minutes, slow=True, at_most=True
    ),
]

if __name__ == "__main__":
    main("paper", FIGURES, ["physgen", "numpy", "numba", "scipy"], ["claims", "exact", "samplers"])
