# What this package exports, and from where; read when a name is first used.
from .measurements import FORMATS as FORMATS
from .measurements import import_measurements as import_measurements
