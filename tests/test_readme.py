"""The Python examples of the README run, and are short."""

import re
from itertools import takewhile
from pathlib import Path

import pytest

from physgen.models.families import FAMILIES
from physgen.results.citations import references

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
# The same program, smaller: each number of the example becomes a toy one.
TOY = {"50": "6", "10_000": "400", "20_000": "200", "100_000": "400", "100": "8", "24": "8"}


RECONSTRUCTION, SAMPLING, FREE_ENERGY = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize("code", [RECONSTRUCTION, SAMPLING, FREE_ENERGY])
def test_an_example_has_at_most_12_lines(code):
    assert len([line for line in code.splitlines() if line.strip()]) <= 12


def test_the_sampling_example_runs_at_toy_size(capsys):
    toy = {"32": "8", "4096": "512", "1000": "20"}
    code = re.sub(r"(?<![\w.])\d[\d_]*(?![\w.])", lambda m: toy.get(m[0], m[0]), SAMPLING)
    exec(compile(code, "README.md", "exec"), {})
    head, energy, *_ = capsys.readouterr().out.splitlines()
    assert head.split() in [line.split() for line in README.splitlines()]
    assert abs(float(energy.split()[-1])) < 5


def test_the_reconstruction_example_runs_at_toy_size(capsys):
    code = re.sub(r"(?<![\w.])\d[\d_]*(?![\w.])", lambda m: TOY.get(m[0], m[0]), RECONSTRUCTION)
    exec(compile(code, "README.md", "exec"), {})
    fidelity, energy = capsys.readouterr().out.splitlines()
    value = float(re.search(r"F_c = ([\d.]+)\(", fidelity)[1])
    assert 0.5 < value <= 1.1
    exact = float(energy.split()[-1])
    assert exact == pytest.approx(-7.296229810558753, abs=1e-9)  # 1 - 1/sin(pi/26)


def test_the_table_of_models_is_that_of_the_rows():
    """Run ``python tests/test_readme.py`` to write it anew."""
    assert table_of_models() in README


def group(row):
    """Families of one class share a row, and so do a few sorts of many small classes."""
    if row.path.startswith("classical."):
        return "classical"
    if row.about.endswith(", one spin a step"):
        return "spin by spin"
    if row.kind == "energy" and "LeCun2006" in row.cites:
        return "networks"
    return row.path


def table_of_models():
    groups = {}
    for name, row in FAMILIES.items():
        groups.setdefault(group(row), []).append((name, row))
    lines = ["| `family` | class | model | exact log_prob? | works |", "|---|---|---|---|---|"]
    for members in groups.values():
        rows = [row for _, row in members]
        (kind,) = {row.kind for row in rows}
        density = {
            "density": "yes",
            "energy": "up to log Z",
            "joint": "of pairs (x, z); bounds of x",
        }.get(kind, "no")
        solved = rows[0].path.endswith(("EquivariantCNF", "ScoreModel"))
        density += " (the error of the ODE solver is checked)" * solved
        works = "; ".join(dict.fromkeys(short(key) for row in rows for key in row.cites))
        names = ", ".join(f"`{name}`" for name, _ in members)
        classes = ", ".join(dict.fromkeys(f"`{row.path.split(':')[1]}`" for row in rows))
        lines.append(f"| {names} | {classes} | {joined(rows)} | {density} | {works} |")
    return "\n".join(lines) + "\n"


def joined(rows):
    """Return what several families are; a start or a last clause that all share stands once."""
    texts = [row.about for row in rows]
    words = zip(*(text.split(" ") for text in texts))
    start = " ".join(same[0] for same in takewhile(lambda one: len(set(one)) == 1, words))
    clauses = {text.rpartition(", ")[2] for text in texts}
    if len(texts) > 1 and len(clauses) == 1:
        texts = [text.rpartition(", ")[0] for text in texts[:-1]] + texts[-1:]
    if start.count(" ") > 1:
        texts = texts[:1] + [text.removeprefix(start).strip() for text in texts[1:]]
    return "; ".join(texts)


def test_every_family_stands_in_the_table_once():
    rows = table_of_models().splitlines()[2:]
    named = [name for row in rows for name in re.findall(r"`([^`]+)`", row.split(" | ")[0])]
    assert sorted(named) == sorted(FAMILIES)
    assert len(rows) <= 24


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 150


def short(key):
    """Return a work as a text cites it: authors and year."""
    entry = references()[key]
    authors = re.search(r"author = \{(.*)\}", entry)[1].split(" and ")
    names = [re.sub(r"[{}]|\\\W", "", name.split(",")[0]) for name in authors]
    few = len(names) < 3 and "others" not in names
    listed = " and ".join(names) if few else f"{names[0]} et al."
    return f"{listed} {re.search(r'year = .(....)', entry)[1]}"


def test_the_gold_standard_files_exist():
    root = Path(__file__).parents[1]
    text = (root / "ARCHITECTURE.md").read_text(encoding="utf-8").split("## Gold-standard")[1]
    paths = re.findall(r"`([a-z_/]+\.py)`", text)
    assert len(paths) >= 8
    for path in paths:
        assert (root / "physgen" / path).is_file() or (root / path).is_file(), path


@pytest.mark.slow
def test_the_free_energy_example_runs_at_toy_size(capsys):
    code = FREE_ENERGY.replace("L=8", "L=4").replace("30s", "5s").replace("100_000", "20_000")
    exec(compile(code, "README.md", "exec"), {})
    *_, value, share = capsys.readouterr().out.split()
    assert abs(float(value.split("(")[0]) - 2.40514) < 0.02  # by quadrature
    assert float(share) > 0.6


if __name__ == "__main__":
    path = Path(__file__).parents[1] / "README.md"
    old = re.search(r"\| `family` \|.*?\n(?!\|)", README, flags=re.DOTALL)
    path.write_text(README.replace(old[0], table_of_models()), encoding="utf-8")
