# What this package exports, and from where; read when a name is first used.
from .graph import Graph as Graph
from .hypercubic import Hypercubic as Hypercubic
from .partition import Partition as Partition
