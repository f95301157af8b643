"""The base class of wrappers with a native model: a forward pass through :mod:`ocp_dc.models` on fairchem's batches."""

from __future__ import annotations

import functools
from typing import Any, ClassVar, cast

import torch
from fairchem.core.modules.scaling import ScaleFactor
from torch import Tensor, nn

from ocp_dc.fairchem1.graphs.edges import find_edges
from ocp_dc.fairchem1.graphs.search import HostEdgeSearch
from ocp_dc.fairchem1.train.model_boundaries import periodic_directions
from ocp_dc.fairchem1.wrappers.dc_model import DCModel
from ocp_dc.models.compilation.accelerator import Accelerator
from ocp_dc.models.graph import EdgeGraph
from ocp_dc.models.potential import Potential
from ocp_dc.models.strain import stresses


class NativeModel(DCModel):
    """A wrapper that computes energies and forces by its native model, unless ``dc.accelerate`` is ``off``.

    A wrapper derives from this class, from the stock model and from the native potential, in this order; parameters
    and their names are the stock model's.
    """

    has_native: ClassVar[bool] = True
    regress_stress = False  # see ocp_dc.fairchem1.wrappers.stress

    def check_acceleration(self) -> None:
        """Accept every value of ``accelerate``."""

    def host_only_reason(self) -> str | None:
        """Return why the native model cannot compute this model's outputs; None if it can.

        A fit of scale factors observes what passes through their modules, which only fairchem's forward pass calls.
        """
        if any(factor.stats is not None or factor.index_fn is not None for factor in self._scale_factors):
            return "a fit of its scale factors is in progress"
        return "it predicts direct forces" if getattr(self, "direct_forces", False) else None

    def compile_reason(self) -> str | None:
        """Return why the outputs cannot be compiled, as part of a sentence, or None."""
        if self.regress_stress:
            return "it predicts the stress"
        return None if self.regress_forces else "it predicts no forces"

    @property
    def acceleration(self) -> str:
        """The value of ``dc.accelerate``."""
        return self.dc_options.resolved_acceleration

    @property
    def potential(self) -> NativeModel:
        """The native model, which is the wrapper itself."""
        return self

    @property
    def uses_native(self) -> bool:
        """Return whether the forward pass is the native model's."""
        return self.acceleration != "off" and self.host_only_reason() is None

    @functools.cached_property
    def _scale_factors(self) -> list[ScaleFactor]:
        return [part for part in self.modules() if isinstance(part, ScaleFactor)]

    @functools.cached_property
    def accelerator(self) -> Accelerator:
        """The compiled functions of this model; empty until a training run enables it."""
        return Accelerator()

    def forward(self, data: Any) -> dict[str, Tensor]:
        """Return ``energy`` [B, 1] and, as the model says, ``forces`` [N, 3] and ``stress`` [B, 9] of a batch."""
        if not self.uses_native:
            return cast(dict[str, Tensor], super().forward(data))
        potential = cast(Potential[Any], self)
        numbers = data.atomic_numbers.long()
        with torch.no_grad():
            graph = potential.build_graph(self.find_edges(data))
        if not self.regress_forces:
            return {"energy": potential.energy(numbers, data.pos, graph)}
        if self.regress_stress:
            energy, forces, virial = potential.energy_forces_and_virial(numbers, data.pos, graph)
            return {
                "energy": energy,
                "forces": forces,
                "stress": stresses(virial, data.cell, periodic_directions(data)).flatten(1),
            }
        energy, forces = self.accelerator.energy_and_forces(potential, numbers, data.pos, graph)
        return {"energy": energy, "forces": forces}

    @property
    def edge_search(self) -> HostEdgeSearch | None:
        """How the edges of a batch are found; None if they are stored in the data."""
        return HostEdgeSearch.of(self) if self.otf_graph else None

    def find_edges(self, data: Any) -> EdgeGraph:
        """Return the edges of a batch, the same as fairchem's."""
        return find_edges(self, data)


def native_model(model: nn.Module) -> NativeModel | None:
    """Return the model if it is a wrapper with a native one, else None."""
    return model if isinstance(model, NativeModel) else None
