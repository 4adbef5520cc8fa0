"""Figures from result data: each takes xarray and returns a matplotlib Figure.

One file per figure.  Figures are built on Agg without pyplot, so no global state changes and no
display is needed.  The palette of Okabe and Ito (readable with any colour vision) has one meaning
everywhere: data blue circles, model vermillion squares, exact black line; lattice extents go from
light to dark.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
