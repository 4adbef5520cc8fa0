"""What to cite: BibTeX entries (references.bib) by key, and by method.

Samplers and model families carry the keys of the works to cite (``cites``); :data:`METHODS` lists
methods that have no class of their own.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from importlib import resources

from physgen.core.errors import InputError

__all__ = ["METHODS", "bibtex", "check_methods", "references"]

METHODS: Mapping[str, tuple[str, ...]] = {
    "povm-reconstruction": ("Carrasquilla2019",),
    "ic-povm": ("Renes2004", "Scott2006"),
    "dual-frame-estimators": ("Scott2006",),
    "fidelity-witness": ("Cramer2010",),
    "ghz-fidelity": ("Guehne2007", "Toth2005"),
    "optimised-duals": ("Fischer2024",),
    "maximum-likelihood-tomography": ("Shang2017",),
    "nearest-state": ("Smolin2012",),
    "born-sampling": ("Ferris2012",),
    "flow-matching": ("Lipman2023",),
    "dequantisation": ("Ho2019",),
    "inverse-ising": ("Nguyen2017", "Besag1975"),
    "wasserstein": ("Arjovsky2017", "Gulrajani2017"),
    "clipped-wasserstein": ("Arjovsky2017",),
    "mmd-gan": ("Li2017", "Binkowski2018"),
    **dict.fromkeys(
        (f"f-gan-{f}" for f in ("kl", "reverse-kl", "pearson", "squared-hellinger", "js")),
        ("Nowozin2016",),
    ),
    "elbo": ("Kingma2014", "Rezende2014"),
    "iwae": ("Burda2016", "Tucker2019"),
    "black-box-elbo": ("Ranganath2014",),
    "smc": ("DelMoral2006", "Neal2001"),
    "annealed-importance": ("Neal2001", "Grosse2015"),
    "thermodynamic-integration": ("Bennett1976",),
    "mixing-time": ("Decelle2021",),
    "gamma-method": ("Wolff2004",),
    "r-hat": ("Vehtari2021",),
    "binder": ("Binder1981", "Kamieniarz1993"),
    "reweighting": ("Ferrenberg1988",),
    "kaufman": ("Kaufman1949",),
    "onsager": ("Onsager1944",),
    "yang": ("Yang1952",),
    "xoshiro": ("Blackman2021",),
    "box-muller": ("Box1958",),
    "bootstrap": ("Efron1979",),
    "nis": ("Nicoli2020", "Nicoli2021"),
    "reverse-kl": ("Albergo2019", "Roeder2017", "Vaitl2022"),
    "psis": ("Vehtari2024",),
    "mmd": ("Gretton2012",),
    "energy-distance": ("Szekely2013",),
    "sliced-w2": ("Bonneel2015",),
    "c2st": ("LopezPaz2017",),
    "kernel-stein": ("Chwialkowski2016",),
    "adam": ("Kingma2015",),
    "dmrg": ("White1992", "Schollwoeck2011", "Hauschild2018", "Hauschild2024"),
    "free-fermions": ("Lieb1961", "Pfeuty1970"),
    "philox": ("Salmon2011",),
    "numpy": ("Harris2020",),
    "scipy": ("Virtanen2020",),
    "numba": ("Lam2015",),
    "torch": ("Paszke2019",),
    "xarray": ("Hoyer2017",),
    "matplotlib": ("Hunter2007",),
}


def check_methods(methods: Iterable[str]) -> list[str]:
    """Return `methods` as a list, or raise :class:`InputError` at one that cannot be cited.

    A method is a name in :data:`METHODS` or a key of references.bib.
    """
    methods = list(methods)
    for method in methods:
        if method not in METHODS and method not in references():
            raise InputError(
                f"a method to cite must be one of {sorted(METHODS)}, or a key of "
                f"physgen/results/references.bib, got {method!r}"
            )
    return methods


def bibtex(methods: Iterable[str]) -> str:
    """Return the BibTeX entries of methods (names or keys), each once, sorted by key.

    Parameters
    ----------
    methods : iterable of str
        Names of methods, or keys of works.

    Raises
    ------
    InputError
        If one is unknown.
    """
    keys = {key for method in check_methods(methods) for key in METHODS.get(method, (method,))}
    return "\n".join(references()[key] for key in sorted(keys))


@functools.cache
def references() -> dict[str, str]:
    """Return key -> BibTeX entry of every work that physgen knows."""
    text = resources.files("physgen.results").joinpath("references.bib").read_text("utf-8")
    entries = re.finditer(r"^@\w+\{(\w+),\n.*?^\}\n", text, flags=re.MULTILINE | re.DOTALL)
    return {entry[1]: entry[0] for entry in entries}
