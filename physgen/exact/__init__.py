"""Oracles: exact values, under the same names as the estimates.

:func:`exact_values` uses the best oracle for a target; :func:`exact_observables` treats the ground
state of a quantum chain.  The formulas for two-dimensional Ising models are in
:mod:`~physgen.exact.kaufman` (finite tori) and :mod:`~physgen.exact.onsager` (infinite lattice).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
