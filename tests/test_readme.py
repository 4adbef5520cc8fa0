"""The Python examples of the README run, and are short."""

import re
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


def table_of_models():
    lines = ["| `family` | class | model | exact log_prob? | works |", "|---|---|---|---|---|"]
    for name, row in FAMILIES.items():
        density = {
            "density": "yes",
            "energy": "up to log Z",
            "joint": "of pairs (x, z); bounds of x",
        }.get(row.kind, "no")
        solved = " (up to the error of the ODE solver, which is checked)" * (
            row.path.endswith(("EquivariantCNF", "ScoreModel"))
        )
        works = "; ".join(dict.fromkeys(map(short, row.cites)))
        cls = row.path.split(":")[1]
        lines.append(f"| `{name}` | `{cls}` | {row.about} | {density}{solved} | {works} |")
    return "\n".join(lines) + "\n"


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
