"""Structures without edges, triplets or quadruplets: finite and additive energies, no forces, alone and in company."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms

from ocp_dc.fairchem1.host_patches import edgeless
from ocp_dc.testing.tolerances import FLOAT32_BATCH

from tests.helpers.every_model import CASES, batch_of, in_float64, structures, wrapper

DC = {"activation": "irelu", "region": "output"}
INTENSIVE = ("dc_cgcnn",)  # the mean over atoms
# their direct forces are sums over points on a sphere, which do not cancel to the last digit, or at all (SCN, eSCN)
SPHERES = ("dc_scn", "dc_escn")
RANDOM_FRAMES = ("dc_scn", "dc_escn", "dc_equiformer_v2")  # another one for each edge at each pass

ATOMS = [Atoms([number], [[0.7, 0.7, 0.7]]) for number in (8, 1, 6)]
SPARSE = {
    "atom": ATOMS[0],
    "two atoms out of reach": Atoms([8, 1], [[0.7, 0.7, 0.7], [10.7, 0.7, 0.7]]),
    "dimer": Atoms([8, 1], [[0.7, 0.7, 0.7], [1.67, 0.7, 0.7]]),
    "dimer and atom": Atoms([8, 1, 6], [[0.7, 0.7, 0.7], [1.67, 0.7, 0.7], [11.0, 0.7, 0.7]]),
    "line": Atoms([8, 6, 8], [[-0.46, 0.7, 0.7], [0.7, 0.7, 0.7], [1.86, 0.7, 0.7]]),
    "triangle": Atoms([8, 1, 1], [[0.7, 0.7, 0.7], [1.66, 0.7, 0.7], [0.46, 1.63, 0.7]]),
}


@pytest.fixture(scope="module", params=list(CASES))
def named(request: pytest.FixtureRequest) -> tuple[str, Any]:
    return request.param, wrapper(request.param, "molecules", DC).eval()


def predict(model: Any, *found: Atoms) -> tuple[np.ndarray, np.ndarray]:
    """Energies and forces; the same random frames each time."""
    torch.manual_seed(1)
    out = model(batch_of(list(found)))
    energy, forces = out["energy"].detach().flatten().numpy(), out["forces"].detach().numpy()
    assert energy.shape == (len(found),)
    assert forces.shape == (sum(map(len, found)), 3)
    assert np.isfinite(energy).all()
    assert np.isfinite(forces).all()
    return energy, forces


def test_atoms_out_of_reach(named):
    name, model = named
    alone = {a.symbols[0]: predict(model, a) for a in ATOMS}
    if name not in SPHERES:
        assert not any(forces.any() for _, forces in alone.values())
        assert not predict(model, SPARSE["two atoms out of reach"])[1].any()
    if name in INTENSIVE:
        return
    per_structure = model.energy_mlp.bias.item() if name == "dc_forcenet" else 0.0  # its last layer follows the sum
    energies = {symbol: energy.item() - per_structure for symbol, (energy, _) in alone.items()}
    energies |= {key: predict(model, atoms)[0].item() - per_structure for key, atoms in SPARSE.items()}
    relative, absolute = FLOAT32_BATCH
    assert energies["two atoms out of reach"] == pytest.approx(energies["O"] + energies["H"], relative, absolute)
    assert energies["dimer and atom"] == pytest.approx(energies["dimer"] + energies["C"], relative, absolute)


@pytest.mark.parametrize("sparse", ["atom", "dimer", "line", "triangle"])
def test_company_changes_nothing(named, sparse):
    """The first, the last, and one between others: what is summed over edges has its place for each structure."""
    name, model = named
    lone, normal = SPARSE[sparse], structures("molecules")[0]
    (expected, forces), (other, other_forces) = predict(model, lone), predict(model, normal)
    relative, absolute = FLOAT32_BATCH
    for company in ([lone, normal], [normal, lone, normal], [lone, lone]):
        energies, found = predict(model, *company)
        energies_alone = [expected if atoms is lone else other for atoms in company]
        forces_alone = [forces if atoms is lone else other_forces for atoms in company]
        np.testing.assert_allclose(energies, np.concatenate(energies_alone), relative, absolute)
        if name not in RANDOM_FRAMES:
            np.testing.assert_allclose(found, np.concatenate(forces_alone), relative, 1e-5 + 1e-4 * np.abs(found).max())


@pytest.mark.parametrize("sparse", ["atom", "dimer"])
def test_training(named, sparse):
    """Gradients are finite, and reach the parameters that they reach with others: several ranks wait for each."""
    _, model = named
    reached = []
    for found in (structures("molecules"), [SPARSE[sparse], SPARSE["two atoms out of reach"]]):
        model.train().zero_grad(set_to_none=True)
        out = model(batch_of(found))
        (out["energy"].abs().sum() + out["forces"].abs().sum()).backward()
        gradients = {key: p.grad for key, p in model.named_parameters() if p.grad is not None}
        assert all(torch.isfinite(gradient).all() for gradient in gradients.values())
        reached.append(set(gradients))
    model.eval()
    assert reached[0] == reached[1]
    running = [buffer for key, buffer in model.named_buffers() if "running_" in key]
    assert all(torch.isfinite(buffer).all() for buffer in running)


@pytest.mark.parametrize("name", ["dc_gemnet_t", "dc_painn", "dc_gemnet_oc", "dc_esen", "dc_schnet"])
def test_periodic_structures(name):
    model = wrapper(name, "periodic", DC).eval()
    lone, normal = Atoms([8], [[1.0, 1.0, 1.0]], cell=[30, 30, 30], pbc=True), structures("periodic")[0]
    (alone, forces), (other, _) = predict(model, lone), predict(model, normal)
    assert not forces.any()
    np.testing.assert_allclose(predict(model, normal, lone)[0], np.concatenate([other, alone]), *FLOAT32_BATCH)


def test_forces_beside_an_atom_are_derivatives():
    """Of a batch of an atom, a dimer and a molecule, by central differences, in float64."""
    with in_float64():
        model = wrapper("dc_gemnet_t", "molecules", DC).double().eval()
        batch = batch_of([SPARSE["atom"], SPARSE["dimer"], structures("molecules")[0]])
        start = batch.pos.double()

        def moved(atom: int, axis: int, by: float) -> dict[str, torch.Tensor]:
            batch.pos = start.clone()
            batch.pos[atom, axis] += by
            return model(batch)

        forces = moved(0, 0, 0.0)["forces"].detach()
        for atom, axis in ((0, 0), (1, 0), (2, 1), (5, 2)):
            up, down = (moved(atom, axis, by)["energy"].detach().sum().item() for by in (1e-5, -1e-5))
            assert forces[atom, axis].item() == pytest.approx((down - up) / 2e-5, rel=1e-5, abs=1e-7)


# ---- the parts ----


@pytest.mark.parametrize("module", edgeless.BLOCKS)
@pytest.mark.parametrize("seed", range(5))
def test_repeated_blocks(module, seed):
    """Against fairchem's own where no block is empty, and against loops where some are."""
    repaired = importlib.import_module(edgeless.MODELS + module).repeat_blocks
    draw = torch.Generator().manual_seed(seed)
    for low in (1, 0):
        sizes = torch.randint(low, 4, (6,), generator=draw)
        swap = {"continuous_indexing": False, "start_idx": sizes[0], "block_inc": sizes[:-1] + sizes[1:]}
        both = {"continuous_indexing": True, "repeat_inc": int(sizes.sum())}
        starts = 2 * (sizes.cumsum(0) - sizes)
        # edges of a structure come as those in one direction, then their counter-edges
        swapped = [start + (i + n) % (2 * n) for start, n in zip(starts, sizes, strict=True) for i in range(2 * n)]
        firsts = sizes.cumsum(0) - sizes
        repeated = [
            start + i + turn * int(sizes.sum())
            for start, n in zip(firsts, sizes, strict=True)
            for turn in range(2)
            for i in range(n)
        ]
        for options, by_hand in (({**swap, "repeat_inc": -sizes}, swapped), (both, repeated)):
            found = repaired(sizes, repeats=2, **options)
            assert found.tolist() == [int(number) for number in by_hand]
            if low:
                assert torch.equal(found, repaired.__wrapped__(sizes, repeats=2, **options))
    assert repaired(torch.zeros(3, dtype=torch.int64), repeats=2).tolist() == []


def test_extremes_of_nothing():
    stand_in, values = edgeless.TorchWithEmptyExtremes(), torch.tensor([3, 1, 2])
    assert stand_in.max(values) == torch.max(values) == 3
    assert stand_in.max(torch.tensor([], dtype=torch.int64)) + 1 == 0
    assert stand_in.min(torch.tensor([])) == float("inf")
    assert torch.equal(stand_in.max(values, torch.tensor(2)), torch.tensor([3, 2, 2]))
    assert stand_in.arange(4).tolist() == [0, 1, 2, 3]
    assert stand_in.arange(0, device="cpu").tolist() == []
