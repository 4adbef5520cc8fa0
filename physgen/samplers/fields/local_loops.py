"""The compiled loops of local actions, for the fields that they move."""

from __future__ import annotations

from physgen.kernels.cpu.field_hmc import actions, forces, trajectories
from physgen.kernels.cpu.langevin import langevin
from physgen.kernels.cpu.mala import proposals
from physgen.samplers.fields.blocked import Loops

__all__ = ["LOCAL"]

LOCAL = Loops(actions, forces, langevin, proposals, trajectories)
