"""The classical families: rows of :mod:`physgen.models.families`, without torch."""

from __future__ import annotations

from physgen.models.family_row import Family

__all__ = ["CLASSICAL_ROWS"]


def _classical(name: str, cls: str, about: str, *cites: str) -> Family:
    """Return the row of a density that is estimated from configurations."""
    support = "spins" if name in ("mean-field", "empirical") else "reals"
    objective = "reverse-kl" if name == "mean-field" else "likelihood"
    module = "classical." + name.replace("-", "_")
    cites = cites or ("Bishop2006",)
    return Family(name, f"{module}:{cls}", support, about, objective=objective, cites=cites)


CLASSICAL_ROWS = (
    _classical("gaussian", "GaussianDensity", "normal density of the largest likelihood, solved"),
    _classical(
        "gaussian-mixture",
        "GaussianMixture",
        "mixture of normal densities by EM",
        "Dempster1977",
        "Pedregosa2011",
    ),
    _classical(
        "factor-analysis",
        "FactorAnalysis",
        "normal density with latent numbers",
        "Rubin1982",
        "Pedregosa2011",
    ),
    _classical(
        "kernel-density", "KernelDensity", "a normal bump on each configuration", "Parzen1962"
    ),
    _classical("mean-field", "MeanField", "independent spins, the variational mean field"),
    _classical("empirical", "EmpiricalDistribution", "frequencies of the configurations seen"),
)
