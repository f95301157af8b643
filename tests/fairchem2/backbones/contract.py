"""The checks that every native backbone of fairchem 2 passes."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from ase import Atoms
from fairchem.core.calculate.ase_calculator import FAIRChemCalculator
from fairchem.core.common.registry import registry
from fairchem.core.units.mlip_unit.api.inference import InferenceSettings, MLIPInferenceCheckpoint
from fairchem.core.units.mlip_unit.predict import MLIPPredictUnit
from scipy.spatial.transform import Rotation
from torch import Tensor

from ocp_dc.core.errors import UserError
from ocp_dc.models.graph import EdgeGraph
from ocp_dc.models.shared_names import second_names

from tests.helpers.atomic_batches import batch_of, brute_force_edges, bulk, ethanol, slab, strained_atoms
from tests.helpers.small_backbones import HEADS, small_model

STEP = 1e-4  # Å, and of strains, of central differences
VOIGT = [(0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1)]


class BackboneContract:
    """A subclass names the backbone of a small model.

    Attributes:
        backbone: its block in a config.
        hidden: arguments of the bare potential that the backbone adds.
        conservative: whether forces are -dE/dx.
        invariant: whether energies are invariant under rotation.
        differences: the largest difference from central differences, relative to the largest value.
    """

    backbone: ClassVar[dict[str, Any]]
    hidden: ClassVar[dict[str, Any]] = {}
    conservative: ClassVar[bool] = True
    invariant: ClassVar[bool] = True
    differences: ClassVar[float] = 1e-6

    def model(self, dtype: torch.dtype = torch.float64, **changes: Any) -> Any:
        """Return the stock HydraModel with this backbone, in evaluation mode, and no layer at zero, as at first."""
        model = self.initial_model(**changes)
        generator = torch.Generator().manual_seed(2)
        for parameter in model.parameters():
            if parameter.requires_grad and not parameter.any():
                parameter.data.normal_(0.0, 0.3, generator=generator)
        return model.to(dtype).eval()

    def initial_model(self, **changes: Any) -> Any:
        return small_model(self.backbone, max_neighbors=1000, **changes)

    def brute_force_edges(self, model: Any, batch: Any, use_pbc: bool) -> EdgeGraph:
        return brute_force_edges(batch, model.backbone.potential.cutoff, use_pbc)

    def evaluate(self, model: Any, structures: list[Atoms]) -> dict[str, Tensor]:
        dtype = next(model.parameters()).dtype
        return {name: value[name].detach() for name, value in model(batch_of(structures, dtype)).items()}

    # ---- the potential ----

    def test_names_and_initial_weights(self) -> None:
        model = self.initial_model()
        torch.manual_seed(1)
        bare = self.bare_potential()
        found = model.state_dict()
        own = {name: value for name, value in bare.state_dict().items() if name not in second_names(bare)}
        assert list(found) == [f"backbone.potential.{name}" for name in own]
        for name, value in own.items():
            assert torch.equal(found[f"backbone.potential.{name}"], value), name

    def bare_potential(self) -> Any:
        """Return the class of :mod:`ocp_dc.models` with the same arguments."""
        arguments = {name: value for name, value in self.backbone.items() if name != "model"}
        return registry.get_model_class(self.backbone["model"]).potential_class(**arguments, **self.hidden)

    @pytest.mark.parametrize("use_pbc", [True, False])
    def test_as_the_bare_potential_on_edges_by_brute_force(self, use_pbc: bool) -> None:
        model = self.model(use_pbc=use_pbc)
        batch = batch_of([ethanol(), bulk(), slab()])
        potential = model.backbone.potential
        graph = potential.build_graph(self.brute_force_edges(model, batch, use_pbc))
        energy, forces = potential.energy_and_forces(batch.atomic_numbers, batch.pos, graph)
        found = self.evaluate(model, [ethanol(), bulk(), slab()])
        assert_close(found["energy"], energy[:, 0], 1e-10)
        assert_close(found["forces"], forces, 1e-10)

    def test_a_batch_is_its_structures_one_by_one(self) -> None:
        structures = [ethanol(), bulk(), Atoms("O", [[0.1, 0.2, 0.3]]), slab()]
        model = self.model(**self.stress)
        together = self.evaluate(model, structures)
        alone = [self.evaluate(model, [atoms]) for atoms in structures]
        for name, value in together.items():
            assert_close(value, torch.cat([each[name] for each in alone]), 1e-10)

    @property
    def stress(self) -> dict[str, bool]:
        """The argument for the stress, where the model has one."""
        return {"regress_stress": True} if self.conservative else {}

    def test_a_single_atom(self) -> None:
        found = self.evaluate(self.model(**self.stress), [Atoms("O", [[0.1, 0.2, 0.3]])])
        assert found["energy"].isfinite().all()
        if self.conservative:
            assert not found["forces"].any()
            assert not found["stress"].any()

    # ---- derivatives ----

    def test_forces_are_the_gradient(self) -> None:
        if not self.conservative:
            pytest.skip("direct forces")
        model = self.model()
        for atoms in (ethanol(), bulk(), slab()):
            forces = self.evaluate(model, [atoms])["forces"]
            ends = []
            for sign in (1, -1):
                moved = [atoms.copy() for _ in range(3 * len(atoms))]
                for entry, each in enumerate(moved):
                    each.positions.reshape(-1)[entry] += sign * STEP
                ends.append(self.evaluate(model, moved)["energy"])
            assert_close(forces.flatten(), -(ends[0] - ends[1]) / (2 * STEP), self.differences)

    def test_stress_is_the_derivative_by_strain(self) -> None:
        if not self.conservative:
            pytest.skip("direct forces")
        model = self.model(regress_stress=True)
        for atoms in (bulk(), slab()):
            found = self.evaluate(model, [atoms])
            assert found["stress"].shape == (1, 9)
            stress = found["stress"].view(3, 3)
            assert_close(stress, stress.T, 1e-12)
            expected = torch.stack([self._by_strain(model, atoms, place) for place in VOIGT])
            assert_close(torch.stack([stress[place] for place in VOIGT]), expected, self.differences)
            assert_close(found["forces"], self.evaluate(self.model(), [atoms])["forces"], 1e-12)

    def _by_strain(self, model: Any, atoms: Atoms, place: tuple[int, int]) -> Tensor:
        """Return dE/dε / V for a strain that changes ε_ij and ε_ji by half of the step each."""
        strain = torch.zeros(3, 3, dtype=torch.float64)
        strain[place] += STEP / 2
        strain[place[::-1]] += STEP / 2
        ends = self.evaluate(model, [strained_atoms(atoms, strain), strained_atoms(atoms, -strain)])["energy"]
        return (ends[0] - ends[1]) / (2 * STEP * atoms.cell.volume)

    def test_a_molecule_has_no_stress(self) -> None:
        if not self.conservative:
            pytest.skip("direct forces")
        found = self.evaluate(self.model(regress_stress=True), [ethanol(), bulk()])
        assert not found["stress"][0].any()
        assert found["stress"][1].all()

    def test_second_derivatives_by_positions(self) -> None:
        """Where positions require a gradient; against central differences of the forces."""
        if not self.conservative:
            pytest.skip("direct forces")
        model, atoms = self.model(), ethanol()
        batch = batch_of([atoms])
        batch.pos.requires_grad_()
        row = torch.autograd.grad(model(batch)["forces"]["forces"][0, 1], batch.pos)[0]
        ends = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[0, 1] += sign * STEP
            ends.append(self.evaluate(model, [moved])["forces"])
        assert_close(row, (ends[0] - ends[1]) / (2 * STEP), 1e-5)

    # ---- symmetries ----

    def test_permutations(self) -> None:
        model, atoms = self.model(), bulk() * (2, 1, 1)
        order = np.random.default_rng(0).permutation(len(atoms))
        first, second = (self.evaluate(model, [each]) for each in (atoms, atoms[order]))
        assert_close(first["energy"], second["energy"], 1e-10)
        assert_close(first["forces"][order], second["forces"], 1e-10)

    def test_rotations(self) -> None:
        if not self.invariant:
            pytest.skip("the model is not invariant")
        rotation = Rotation.random(random_state=0).as_matrix()
        model = self.model(regress_stress=True)
        for atoms in (ethanol(), bulk()):
            turned = atoms.copy()
            turned.set_cell(atoms.cell.array @ rotation.T)
            turned.positions = atoms.positions @ rotation.T
            first, second = (self.evaluate(model, [each]) for each in (atoms, turned))
            matrix = torch.from_numpy(rotation)
            assert_close(first["energy"], second["energy"], 1e-9)
            assert_close(first["forces"] @ matrix.T, second["forces"], 1e-8)
            assert_close(matrix @ first["stress"].view(-1, 3, 3) @ matrix.T, second["stress"].view(-1, 3, 3), 1e-8)

    # ---- training ----

    @pytest.mark.parametrize("stress", [False, True])
    def test_every_parameter_has_a_gradient(self, stress: bool) -> None:
        """Else DistributedDataParallel stops at the second step."""
        if stress and not self.conservative:
            pytest.skip("direct forces")
        model = self.model(torch.float32, **(self.stress if stress else {})).train()
        out = model(batch_of([ethanol(), bulk()], torch.float32))
        sum(value[name].square().mean() for name, value in out.items()).backward()
        missing = [name for name, value in model.named_parameters() if value.requires_grad and value.grad is None]
        assert missing == []

    def test_copies_after_a_forward_pass(self) -> None:
        model = self.model(torch.float32)
        expected = self.evaluate(model, [ethanol(), bulk()])
        averaged = torch.optim.swa_utils.AveragedModel(model).module
        for each in (copy.deepcopy(model), pickle.loads(pickle.dumps(model)), averaged):
            found = self.evaluate(each, [ethanol(), bulk()])
            assert all(torch.equal(found[name], value) for name, value in expected.items())

    def test_without_gradients_nothing_is_kept(self) -> None:
        with torch.no_grad():
            out = self.model(**self.stress)(batch_of([ethanol()]))
        assert not any(value[name].requires_grad for name, value in out.items())

    def test_an_unknown_argument(self) -> None:
        with pytest.raises(UserError, match=r"model.backbone: unknown key 'cut_off'; .* Did you mean 'cutoff'"):
            self.model(cut_off=3.0)

    # ---- inference by fairchem ----

    def test_the_calculator_of_fairchem(self, tmp_path: Path) -> None:
        """In float64 by its settings, in physical units, and without a graph."""
        model = self.model(torch.float32)
        unit = predict_unit(tmp_path / "inference_ckpt.pt", self.backbone, model)
        atoms = bulk()
        atoms.calc = FAIRChemCalculator(unit, task_name="toy")
        expected = self.evaluate(self.model(**self.stress), [atoms])
        references = REFERENCES[torch.from_numpy(atoms.numbers)].sum()
        assert atoms.get_potential_energy() == pytest.approx(2.0 * float(expected["energy"]) + float(references))
        assert_close(torch.from_numpy(atoms.get_forces()), 2.0 * expected["forces"], 1e-5)
        if self.conservative:
            stress = 2.0 * expected["stress"].view(3, 3)
            assert_close(torch.from_numpy(atoms.get_stress()), torch.stack([stress[place] for place in VOIGT]), 1e-5)
        out = unit.predict(batch_of([ethanol(), bulk()]))
        assert not any(value.requires_grad for value in out.values())
        assert "efs" not in str(list(unit.model.state_dict()))


REFERENCES = torch.linspace(-3.0, 2.0, 100, dtype=torch.float64)


def predict_unit(path: Path, backbone: dict[str, Any], model: Any) -> MLIPPredictUnit:
    """Return fairchem's unit for a checkpoint of a model, in float64, with one C of 2 eV and references."""
    normalizer = {"_target_": "fairchem.core.modules.normalization.normalizer.Normalizer", "mean": 0.0, "rmsd": 2.0}
    references = {
        "_target_": "fairchem.core.modules.normalization.element_references.ElementReferences",
        "element_references": {"_target_": "torch.DoubleTensor", "_args_": [REFERENCES.tolist()]},
    }
    task = {"_target_": "fairchem.core.units.mlip_unit.mlip_unit.Task", "datasets": ["toy"], "normalizer": normalizer}
    out = {"_target_": "fairchem.core.units.mlip_unit.mlip_unit.OutputSpec", "dtype": "float32"}
    energy = {"name": "energy", "level": "system", "property": "energy", "out_spec": {**out, "dim": [1]}}
    forces = {"name": "forces", "level": "atom", "property": "forces", "out_spec": {**out, "dim": [3]}}
    averaged = {f"module.{name}": value for name, value in model.state_dict().items()}
    checkpoint = MLIPInferenceCheckpoint(
        model_config={
            "_target_": "fairchem.core.models.base.HydraModel",
            "backbone": {"max_neighbors": 1000, **backbone},
            "heads": HEADS,
            "pass_through_head_outputs": True,
            "supports_single_atoms": True,
        },
        model_state_dict=model.state_dict(),
        ema_state_dict={"n_averaged": torch.tensor(1), **averaged},
        tasks_config=[{**task, **energy, "element_references": references}, {**task, **forces}],
    )
    torch.save(checkpoint, path)
    return MLIPPredictUnit(str(path), inference_settings=InferenceSettings(base_precision_dtype=torch.float64))


def assert_close(found: Tensor, expected: Tensor, tolerance: float) -> None:
    """Compare tensors, up to a tolerance relative to the largest value."""
    scale = max(float(expected.detach().abs().max()), 1e-3) if expected.numel() else 1.0
    torch.testing.assert_close(found, expected, rtol=0.0, atol=tolerance * scale)
