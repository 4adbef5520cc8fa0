"""The catalogue of named systems; see :func:`list_systems` and :func:`load_system`."""

from physgen.catalogue.systems import Reference, System, list_systems, load_system

__all__ = ["Reference", "System", "list_systems", "load_system"]
