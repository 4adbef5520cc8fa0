"""Oracles: numbers known exactly, under the names that estimates carry.

:func:`exact_values` answers for a target with the best oracle it has; :func:`exact_observables`
does for the ground state of a quantum chain.  The formulas of two-dimensional Ising models are in
:mod:`~physgen.exact.kaufman` (finite tori) and :mod:`~physgen.exact.onsager` (infinite lattice).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
