"""Results: labelled arrays, the crash-safe store of a run, provenance, citations.

A finished run is one plain HDF5 file with named dimensions, readable by h5py,
``xarray.open_datatree`` and h5dump.  Names are imported when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
