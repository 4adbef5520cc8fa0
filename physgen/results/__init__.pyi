# What this package exports, and from where; read when a name is first used.
from .citations import METHODS as METHODS
from .citations import bibtex as bibtex
from .layers import run_directory as run_directory
from .provenance import collect_provenance as collect_provenance
from .provenance import config_hash as config_hash
from .reader import (
    open_run as open_run,
)
from .reader import (
    read_dataset as read_dataset,
)
from .reader import (
    write_dataset as write_dataset,
)
from .schema import ROOT_ATTRS as ROOT_ATTRS
from .schema import SCHEMA_VERSION as SCHEMA_VERSION
from .store import RunStore as RunStore
from .stored_array import list_arrays as list_arrays
from .stored_array import open_array as open_array
from .streamed import write_stream as write_stream
