"""The base class of backbones that compute energies by a potential of :mod:`ocp_dc.models`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from fairchem.core.common import gp_utils
from fairchem.core.models.base import BackboneInterface
from fairchem.core.models.uma.escn_md import GradRegressConfig
from torch import Tensor, nn

from ocp_dc.core.errors import UserError, bad_value
from ocp_dc.core.numbers import whole_number
from ocp_dc.core.options import check_keys
from ocp_dc.fairchem2.backbones.tasks import PROPERTIES, stress_tasks
from ocp_dc.graphs.search import EdgeSearch, edge_graph
from ocp_dc.models.compilation.accelerator import Accelerator
from ocp_dc.models.graph import EdgeGraph
from ocp_dc.models.potential import Potential
from ocp_dc.models.shared_names import save_first_names
from ocp_dc.models.strain import stresses
from ocp_dc.surgery import DCOptions, RegionTable

if TYPE_CHECKING:
    from ase import Atoms
    from fairchem.core.datasets.atomic_data import AtomicData
    from fairchem.core.units.mlip_unit.api.inference import InferenceSettings
    from fairchem.core.units.mlip_unit.mlip_unit import Task


class _Signature:
    """The signature of a backbone: that of its ``__init__``, with the arguments of its potential."""

    def __get__(self, instance: NativeBackbone | None, owner: type[NativeBackbone]) -> inspect.Signature:
        if instance is not None:
            raise AttributeError("__signature__")
        return inspect.Signature(list(owner.known_arguments().values()))


class NativeBackbone(nn.Module, BackboneInterface):
    """Energies, forces and stress of a batch by a potential, for a :class:`~ocp_dc.fairchem2.heads.GradientHead`.

    The arguments are keywords: those of the potential, which are named as in fairchem 1.10, and those below.

    ``dc.accelerate`` is ``auto``, ``compile``, ``native`` or ``off``. fairchem 2 has no forward pass of these models,
    so ``off`` and ``native`` are the same here: the potential, not compiled. A training run compiles the energy and
    forces where it decides to (see :mod:`ocp_dc.training.acceleration`); copies of the model, such as averaged weights,
    and inference are never compiled.

    Args:
        use_pbc: whether images count along the directions in which each structure is periodic. Without them,
            boundaries are ignored.
        max_neighbors: how many of the nearest neighbors of each atom are kept; 0 for all.
        regress_stress: whether the stress is predicted as well.
        arguments: those of the potential.

    Attributes:
        potential: the potential.
        potential_class: its class, set by a subclass.
        built_arguments: arguments of the potential that a config does not give: ``build_potential`` adds them.
        dc_regions: the activations of each named region, set by a subclass.
        regress_config: what is differentiated; fairchem reads it, and changes it for tasks of inference.
        acceleration: the value of ``dc.accelerate``; ``off`` without a ``dc:`` block.
        accelerator: the compiled functions; empty until a training run enables it.

    Raises:
        UserError: an argument is unknown, or has no valid value.
    """

    potential_class: ClassVar[Any]
    built_arguments: ClassVar[tuple[str, ...]] = ()
    dc_regions: ClassVar[RegionTable]
    potential: Potential[Any]
    __signature__ = _Signature()

    def __init__(
        self, *, use_pbc: bool = True, max_neighbors: int = 50, regress_stress: bool = False, **arguments: Any
    ) -> None:
        super().__init__()
        check_keys(arguments, list(self.known_arguments()), "model.backbone")
        for name, flag in (("use_pbc", use_pbc), ("regress_stress", regress_stress)):
            if not isinstance(flag, bool):  # any text is true
                raise bad_value(f"model.backbone.{name}", flag, "true or false")
        whole_number("model.backbone.max_neighbors", max_neighbors, least=0)
        self.use_pbc, self.max_neighbors = use_pbc, max_neighbors
        self.potential = self.build_potential(arguments)
        save_first_names(self.potential)
        direct = self.potential.direct_forces
        if regress_stress and not self.potential.has_exact_gradients:
            raise UserError(
                "model.backbone.regress_stress: got True, and derivatives of the energy are not exact; set "
                "angle_gradients: exact, or leave regress_stress out"
            )
        if regress_stress and (direct or not self.potential.regress_forces):
            raise UserError(
                "model.backbone.regress_stress: got True, and the forces are "
                f"{'not the gradient of the energy' if direct else 'not predicted'}; set "
                f"{'direct_forces: false' if direct else 'regress_forces: true'}, or leave regress_stress out"
            )
        self.regress_config = GradRegressConfig(
            direct_forces=direct, forces=self.potential.regress_forces, stress=regress_stress
        )
        self.acceleration = "off"
        self.accelerator = Accelerator()
        self._only_infers = False

    @classmethod
    def known_arguments(cls) -> dict[str, inspect.Parameter]:
        """Return the arguments of the backbone by name."""
        backbones = [base for base in reversed(cls.__mro__) if issubclass(base, NativeBackbone)]
        found: dict[str, inspect.Parameter] = {}
        for owner in (cls.potential_class, *backbones):
            for name, parameter in inspect.signature(owner.__init__).parameters.items():
                if name not in ("self", *cls.built_arguments) and parameter.kind is not parameter.VAR_KEYWORD:
                    found[name] = parameter.replace(kind=parameter.KEYWORD_ONLY)
        return found

    def build_potential(self, arguments: Mapping[str, Any]) -> Potential[Any]:
        """Return the potential; a subclass adds arguments that a config does not give."""
        potential: Potential[Any] = self.potential_class(**arguments)
        return potential

    def set_acceleration(self, options: DCOptions) -> None:
        """Take the value of ``accelerate`` from a ``dc:`` block."""
        self.acceleration = options.resolved_acceleration

    def host_only_reason(self) -> None:
        """Return None: fairchem has no forward pass of this model."""

    def compile_reason(self) -> str | None:
        """Return why the outputs cannot be compiled, as part of a sentence, or None."""
        if self.regress_config.direct_forces or not self.regress_config.forces:
            return "it predicts no forces that are the gradient of the energy"
        return "it predicts the stress" if self.regress_config.stress else None

    @property
    def edge_search(self) -> EdgeSearch:
        """How the edges of a batch are found, the same as in fairchem 1.10."""
        return EdgeSearch(self.potential.cutoff, self.max_neighbors, self.use_pbc)

    def find_edges(self, data: AtomicData) -> EdgeGraph:
        """Return the edges of a batch."""
        return edge_graph(self.edge_search.find(data), data)

    @torch.compiler.disable  # it finds edges outside of torch, and differentiates
    def forward(self, data: AtomicData) -> dict[str, Tensor]:
        """Return ``energy`` [B] of a batch and, as ``regress_config`` says, ``forces`` [N, 3] and ``stress`` [B, 9].

        Energies are in eV, forces in eV/Å, and stresses in eV/Å³. The stress of a structure that is not periodic along
        any direction is zero.
        """
        numbers, positions, graph = self.inputs_of(data)
        data["batch_full"], data["atomic_numbers_full"] = data.batch, data.atomic_numbers  # for ElementReferences
        if self._only_infers and not self.regress_config.hessian:
            # fairchem lets the positions require gradients in each inference
            with torch.no_grad():
                return self._outputs(data, numbers, positions.detach(), graph)
        return self._outputs(data, numbers, positions, graph)

    @torch.no_grad()
    def inputs_of(self, data: AtomicData) -> tuple[Tensor, Tensor, Any]:
        """Return what the potential takes: atomic numbers [N], positions [N, 3] and the graph of a batch.

        Raises:
            UserError: the potential does not support an element, or a group of processes shares the graph.
        """
        if gp_utils.initialized():
            raise UserError(
                f"{type(self).__name__} does not support graph parallelism; leave graph_parallel_group_size out"
            )
        numbers = data.atomic_numbers.long()
        self.potential.check_elements(numbers)
        return numbers, data.pos, self.potential.build_graph(self.find_edges(data))

    def _outputs(self, data: AtomicData, numbers: Tensor, positions: Tensor, graph: Any) -> dict[str, Tensor]:
        if self.regress_config.stress:
            energy, forces, virial = self.potential.energy_forces_and_virial(numbers, positions, graph)
            stress = stresses(virial, data.cell, data.pbc.reshape(-1, 3))
            return {"energy": energy[:, 0], "forces": forces, "stress": stress.flatten(1)}
        if not self.regress_config.forces:
            return {"energy": self.potential.energy(numbers, positions, graph)[:, 0]}
        energy, forces = self.accelerator.energy_and_forces(self.potential, numbers, positions, graph)
        return {"energy": energy[:, 0], "forces": forces}

    # ---- what fairchem calls around inference ----

    @classmethod
    def build_inference_settings(cls, settings: InferenceSettings) -> dict[str, Any]:
        """Return changes of the arguments for inference."""
        return {}

    def get_default_untrained_tasks(
        self, checkpoint_tasks: dict[str, Task], inference_settings: InferenceSettings
    ) -> list[Task]:
        """Return tasks of the stress for energies without one, as eSCN-MD does; none for direct forces."""
        if self.regress_config.direct_forces or not self.regress_config.forces:
            return []
        return stress_tasks(checkpoint_tasks, inference_settings)

    def validate_tasks(self, dataset_to_tasks: dict[str, list[Task]]) -> None:
        """Refuse tasks of other properties; raises UserError."""
        for tasks in dataset_to_tasks.values():
            for task in tasks:
                if task.property not in PROPERTIES:
                    raise UserError(
                        f"tasks: {task.name}: got the property {task.property!r}, and {type(self).__name__} predicts "
                        f"{', '.join(PROPERTIES)}"
                    )

    def prepare_for_inference(self, data: AtomicData, settings: InferenceSettings) -> NativeBackbone:
        """Keep no graph of outputs from now on."""
        self._only_infers = True
        return self

    def on_predict_check(self, data: AtomicData) -> None:
        """Accept every batch; elements are checked in the forward pass."""

    def validate_atoms_data(self, atoms: Atoms, task_name: str) -> None:
        """Refuse elements that the potential does not support; charge and spin have no effect."""
        self.potential.check_elements(torch.from_numpy(atoms.numbers).long())


def native_backbone(model: nn.Module) -> NativeBackbone | None:
    """Return the native backbone of a model, or None; for :class:`~ocp_dc.training.acceleration.AccelerationChoice`."""
    found = getattr(model, "backbone", None)
    return found if isinstance(found, NativeBackbone) else None
