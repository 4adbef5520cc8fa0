"""Results: labelled arrays, the crash-safe store of a run, provenance, citations.

One file of a finished run is plain HDF5 with named dimensions: h5py, ``xarray.open_datatree`` and
h5dump read it.  Names are imported when they are first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
