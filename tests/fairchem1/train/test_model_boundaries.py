"""Structures of all boundaries in models of both kinds: the numbers of each alone, or a refusal by name."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
import torch
from ase import Atoms
from ase.build import add_adsorbate, bulk, fcc111, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from fairchem.core.common.relaxation.ase_utils import OCPCalculator

import ocp_dc
from ocp_dc.cli import main
from ocp_dc.core.errors import UserError
from ocp_dc.data.edges import add_edges
from ocp_dc.data.oc20_lmdb.lmdb_io import to_data
from ocp_dc.data.readers.ase_files import atoms_frame
from ocp_dc.fairchem1.train.collate import collate
from ocp_dc.fairchem1.train.model_boundaries import adapt_boundaries
from ocp_dc.testing.tolerances import FINITE_DIFFERENCE, FLOAT32_SHIFTED

from tests.helpers.every_model import CASES, batch_of, build, forward, in_float64
from tests.helpers.runs import MODEL, run_main

CONSERVATIVE = ("dc_schnet", "dc_dimenetplusplus", "dc_gemnet_t", "dc_painn", "dc_gemnet_oc")
CUTOFF = 5.0
SKEWED = np.array([[11.0, 0.0, 0.0], [7.0, 12.0, 0.0], [-8.0, 6.0, 13.0]])


def ethanol(box: np.ndarray | float | None = None) -> Atoms:
    atoms = molecule("CH3CH2OH")
    atoms.rattle(0.05, seed=1)
    if box is not None:
        atoms.set_cell(np.eye(3) * box if np.isscalar(box) else box)
        atoms.pbc = True
    return atoms


def slab(third: tuple[float, float, float] | None = (0.0, 0.0, 0.0)) -> Atoms:
    """A small copper slab with a water on it; its third vector is missing, or is not perpendicular to the others."""
    atoms = fcc111("Cu", (2, 2, 2), vacuum=4.0)
    add_adsorbate(atoms, molecule("H2O"), 2.0, "ontop")
    atoms.rattle(0.05, seed=2)
    if third is not None:
        atoms.cell[2] = third
    atoms.pbc = (True, True, False)
    return atoms


def oxide() -> Atoms:
    atoms = bulk("MgO", "rocksalt", a=4.21, cubic=True)
    atoms.rattle(0.05, seed=3)
    return atoms


def wire() -> Atoms:
    """Periodic along its second vector alone, which is the only one there is."""
    atoms = Atoms("CuOCu", [[0, 0, 0], [1.2, 1.3, 0.2], [0.1, 2.4, 0.3]], cell=[[0, 0, 0], [0.5, 4.6, 0], [0, 0, 0]])
    atoms.pbc = (False, True, False)
    return atoms


def data_of(atoms: Atoms, **raw: object):
    """A record, with values as another program may have written them."""
    data = to_data(atoms_frame(atoms, 0.0, np.zeros((len(atoms), 3))), sid=7)
    for key, value in raw.items():
        if value is None:
            del data[key]
        else:
            data[key] = value
    return data


def schnet(periodic: bool, **changes):
    return build("schnet", {**MODEL, **changes}, "periodic" if periodic else "molecules").eval()


def energy(model, *records) -> torch.Tensor:
    return forward(model, adapt_boundaries(model, collate(copy.deepcopy(list(records)), otf_graph=model.otf_graph)))[
        0
    ].flatten()


@pytest.mark.parametrize("name", CONSERVATIVE)
def test_molecules_slabs_and_bulk_in_one_batch_are_what_each_is_alone(name):
    structures = [ethanol(), slab(), oxide(), wire(), slab(third=(4.0, 3.0, 16.0)), ethanol(SKEWED)]
    with in_float64():
        model = build(name, CASES[name].arguments, "periodic").double().eval()
        for limit in [key for key in vars(model) if key.startswith("max_neighbors")]:
            setattr(model, limit, 1000)  # of equally near neighbors fairchem keeps the first, an accident of order

        def run(chosen):
            batch = batch_of(chosen)
            batch.pos, batch.cell = batch.pos.double(), batch.cell.double()
            return forward(model, adapt_boundaries(model, batch))

        energies, forces = run(structures)
        alone = [run([atoms]) for atoms in structures]
    assert energies.abs().min() > 1e-3
    np.testing.assert_allclose(energies.flatten(), torch.cat([each[0] for each in alone]).flatten(), rtol=0, atol=1e-6)
    np.testing.assert_allclose(forces, torch.cat([each[1] for each in alone]), rtol=0, atol=1e-5)


def test_a_mixed_batch_has_the_edges_that_ase_finds():
    """SchNet on edges of ase's own neighbor search, for each structure as it is; and forces are -dE/dx."""
    records = [data_of(atoms) for atoms in (ethanol(), slab(), oxide(), wire())]
    model = schnet(periodic=True)
    model.max_neighbors = 1000
    found = energy(model, *records)
    model.otf_graph = False
    for record in records:
        add_edges(record, CUTOFF, 1000)
    torch.testing.assert_close(found, energy(model, *records), rtol=1e-5, atol=1e-5)


def test_forces_in_a_mixed_batch_are_the_gradient():
    relative, absolute = FINITE_DIFFERENCE
    with in_float64():
        model = schnet(periodic=True).double()
        batch = batch_of([ethanol(), slab()])
        batch.cell, start = batch.cell.double(), batch.pos.double()
        start[-1] += batch.cell[1, 0]  # an atom that has left its cell

        def at(positions):
            batch.pos = positions
            return forward(model, adapt_boundaries(model, batch))

        forces = at(start)[1]
        for atom in (2, len(start) - 1):
            step = torch.zeros_like(start)
            step[atom, 0] = 1e-5
            difference = -(at(start + step)[0] - at(start - step)[0]).sum().item() / 2e-5
            assert forces[atom, 0].item() == pytest.approx(difference, relative, absolute)
        assert batch.pos is not start  # what the caller holds is moved by the caller alone
        assert batch.pbc.tolist() == [[False] * 3, [True, True, False]]


@pytest.mark.parametrize("box", [12.0, SKEWED])
def test_a_molecule_that_an_older_version_tore_is_put_together(box):
    free = energy(schnet(periodic=False), data_of(ethanol()))
    for shift in np.random.default_rng(0).uniform(-20, 20, size=(5, 3)):
        atoms = ethanol(box)
        atoms.positions += shift
        atoms.wrap()
        for periodic in (False, True):
            torn = data_of(atoms, pos=torch.tensor(atoms.positions, dtype=torch.float32))
            torch.testing.assert_close(energy(schnet(periodic), torn), free, rtol=1e-5, atol=1e-5)


def test_a_large_molecule_that_was_folded_is_put_together():
    atoms = ethanol() * (1, 1, 1)
    for shift in range(1, 40):
        copy_ = ethanol()
        copy_.positions += [4.5 * (shift % 4), 4.5 * (shift // 4 % 4), 4.5 * (shift // 16)]
        atoms += copy_
    free = energy(schnet(periodic=False), data_of(atoms))
    atoms.set_cell([30.0, 30.0, 30.0])
    atoms.pbc = True
    atoms.positions += 20.0
    atoms.wrap()
    assert len(atoms) == 360
    torch.testing.assert_close(energy(schnet(periodic=False), data_of(atoms)), free, rtol=1e-5, atol=1e-5)


def test_atoms_may_lie_anywhere_in_a_model_with_boundaries():
    model = schnet(periodic=True)
    rng = np.random.default_rng(0)
    for atoms in (oxide(), slab(), slab(third=(4.0, 3.0, 16.0)), ethanol(SKEWED)):
        record = data_of(atoms)
        cells = torch.tensor(rng.integers(-3, 4, size=(len(atoms), 3)) * atoms.pbc, dtype=torch.float32)
        moved = data_of(atoms, pos=record.pos + cells @ record.cell[0])
        torch.testing.assert_close(energy(model, moved), energy(model, record), rtol=1e-5, atol=1e-5)


def test_nothing_is_touched_where_nothing_is_to_be_done():
    for periodic, structures in (
        (False, [ethanol(), ethanol()]),
        (False, [ethanol(20.0), ethanol()]),
        (True, [ethanol(), ethanol()]),
        (True, [slab(), slab()]),
        (True, [oxide(), ethanol(4.0)]),
    ):
        batch = batch_of(structures)
        assert adapt_boundaries(schnet(periodic), batch) is batch
    batch = collate([data_of(oxide(), pbc=None)], otf_graph=True)  # as OC20's records
    for periodic in (False, True):
        assert adapt_boundaries(schnet(periodic), batch) is batch


@pytest.mark.parametrize(
    ("atoms", "changes", "warns"),
    [
        (oxide(), {}, True),
        (slab((4.0, 3.0, 16.0)), {}, True),
        (ethanol(4.0), {}, True),
        (ethanol(30.0), {}, False),
        (ethanol(), {"cell": torch.eye(3)[None]}, False),  # made up by fairchem's conversion from ase
        (ethanol(), {}, False),
    ],
)
def test_a_cell_without_pbc_in_a_model_without_boundaries(atoms, changes, warns, caplog):
    model = schnet(periodic=False)
    free = atoms.copy()
    free.pbc = False
    for _ in range(2):  # said once
        found = energy(model, data_of(atoms, pbc=None, **changes))
    torch.testing.assert_close(found, energy(model, data_of(atoms, pbc=torch.zeros(1, 3, dtype=torch.bool))))
    assert caplog.text.count("has a cell but no pbc") == warns


def test_records_of_others():
    """A slab whose third vector is zero or was made up, and records of OC20's kind without pbc or cell."""
    model = schnet(periodic=True)
    record = data_of(slab())
    for length in (0.0, 1.0):
        cell = record.cell.clone()
        cell[0, 2] = torch.tensor([0.0, 0.0, length])
        torch.testing.assert_close(energy(model, data_of(slab(), cell=cell)), energy(model, record))
    for changes in ({"pbc": None}, {"pbc": None, "cell": None}, {"cell": None}):
        torch.testing.assert_close(energy(model, data_of(ethanol(), **changes)), energy(model, data_of(ethanol())))
    torch.testing.assert_close(energy(model, data_of(oxide(), pbc=None)), energy(model, data_of(oxide())))
    # fairchem's conversion from ase leaves out a dimension of pbc, and then reads the first structure's alone
    flat = [data_of(atoms, pbc=torch.tensor(atoms.pbc)) for atoms in (ethanol(), oxide())]
    torch.testing.assert_close(energy(model, *flat), energy(model, data_of(ethanol()), data_of(oxide())))


@pytest.mark.parametrize(
    ("atoms", "periodic", "changes", "message"),
    [
        (oxide(), False, {}, r"structure 0 .*sid 7.*pbc T T T.*use_pbc: false.*2\.\d\d Å away"),
        (bulk("Cu", cubic=True) * (5, 5, 5), False, {}, r"structure 0.*2\.55 Å away"),
        (bulk("Cu", cubic=True) * (8, 8, 6), False, {}, "structure 0.*too near, or it is torn"),
        (slab(), False, {}, "pbc T T F.*use_pbc: false"),
        (ethanol(4.0), False, {}, "use_pbc: false"),
        (ethanol(12.0), False, {"cell": torch.zeros(1, 3, 3)}, "cell vector 1 is zero"),
        (ethanol(12.0), True, {"cell": torch.zeros(1, 3, 3)}, "cell vector 1 is zero"),
        (ethanol(12.0), True, {"cell": torch.eye(3)[None]}, "length 1 Å"),
        (ethanol(12.0), True, {"cell": None}, "periodic without a cell"),
    ],
)
def test_refused(atoms, periodic, changes, message):
    with pytest.raises(UserError, match=message):
        energy(schnet(periodic), data_of(atoms, **changes))


def test_stored_edges():
    """Through a boundary they are right in a molecule put together; longer ones than the cutoff reach images."""
    model = schnet(periodic=False, otf_graph=False)
    free = energy(model, add_edges(data_of(ethanol()), CUTOFF, 50))
    atoms = ethanol(12.0)
    atoms.positions += 11.0
    atoms.wrap()
    torn = data_of(atoms, pos=torch.tensor(atoms.positions, dtype=torch.float32))
    torch.testing.assert_close(energy(model, add_edges(torn, CUTOFF, 50)), free, rtol=1e-5, atol=1e-5)
    with pytest.raises(UserError, match="use_pbc: false"):
        energy(model, add_edges(torn, 9.0, 50))
    mixed = [add_edges(data_of(each), CUTOFF, 50) for each in (ethanol(), oxide())]
    batch = collate(mixed, otf_graph=False)
    assert adapt_boundaries(schnet(periodic=True, otf_graph=False), batch) is batch


@pytest.fixture(scope="module")
def trained_on_all(tmp_path_factory, small_config):
    """A SchNet with boundaries, trained on molecules, slabs and bulk in one set; labels of ase's EMT."""
    folder = tmp_path_factory.mktemp("all")
    made = []
    for seed in range(12):
        for atoms in (ethanol(), slab(), bulk("Cu", cubic=True)):
            atoms.rattle(0.05, seed=seed)
            free = atoms.copy()
            free.calc = EMT()
            results = {"energy": free.get_potential_energy(), "forces": free.get_forces()}
            atoms.calc = SinglePointCalculator(atoms, **results)
            made.append(atoms)
    write(folder / "all.traj", made)
    arguments = ["--format", "ase", "--train", "24", "--val", "6", "--test", "6"]
    assert main(["prepare", str(folder / "all.traj"), str(folder / "data"), *arguments]) == 0
    config = small_config(model={"use_pbc": True}, optim={"max_epochs": 2, "batch_size": 6})
    config["dataset"] = copy.deepcopy(config["dataset"])
    for split, block in config["dataset"].items():
        block["src"] = str(folder / "data" / split)
    run = run_main(folder, config)
    assert run.status == 0
    return run, folder, made, config


def test_one_set_of_molecules_slabs_and_bulk(trained_on_all, tmp_path):
    run, folder, made, _ = trained_on_all
    assert json.loads((folder / "data" / "dataset.json").read_text())["boundaries"] == {
        "F F F": 12, "T T F": 12, "T T T": 12,
    }  # fmt: skip
    checkpoint = run.checkpoint("best_checkpoint.pt")
    arguments = [str(checkpoint), str(folder / "data" / "test"), "--out", str(tmp_path / "e"), "--cpu"]
    assert main(["evaluate", *arguments, "--batch-size", "5"]) == 0
    found = json.loads((tmp_path / "e" / "evaluation.json").read_text())
    calculator = ocp_dc.calculator(checkpoint, cpu=True)
    with np.load(folder / "data" / "split.npz") as split:
        tested = [made[index] for index in split["test"]]
    errors = []
    for atoms in tested:
        alone = atoms.copy()
        alone.calc = calculator
        errors.append(abs(alone.get_potential_energy() - atoms.get_potential_energy()))
    assert found["energy_mae"] == pytest.approx(np.mean(errors), rel=1e-5)
    assert run.json("test.json")["energy_mae"] == pytest.approx(np.mean(errors), rel=1e-5)


def test_relaxations_of_a_mixed_set(trained_on_all, tmp_path):
    run, folder, made, config = trained_on_all
    config = copy.deepcopy(config)
    config["dataset"]["relax"] = {"src": str(folder / "data" / "test")}
    config["task"] = {"relaxation_steps": 2, "relaxation_fmax": 1e-3, "relax_opt": {"memory": 5}}
    checkpoint = str(run.checkpoint("best_checkpoint.pt"))
    relaxed = []
    for size in (6, 1):
        config["optim"]["eval_batch_size"] = size
        done = run_main(tmp_path, config, "--checkpoint", checkpoint, mode="run-relaxations")
        assert done.status == 0
        relaxed.append(dict(np.load(done.result("relaxed_positions.npz"))))
    with np.load(folder / "data" / "split.npz") as split:
        starts = np.concatenate([made[index].positions for index in split["test"]])
    assert np.abs(np.sort(relaxed[0]["pos"].ravel()) - np.sort(starts.ravel())).max() > 1e-3  # they moved
    assert relaxed[0]["ids"].tolist() == relaxed[1]["ids"].tolist()
    np.testing.assert_allclose(relaxed[0]["pos"], relaxed[1]["pos"], rtol=0, atol=1e-5)


def test_a_model_without_boundaries_stops_before_it_trains_on_slabs(
    trained_on_all, small_config, slabs, tmp_path, capsys
):
    config = trained_on_all[-1]
    assert run_main(tmp_path, config, "--model.use_pbc=False").status == 2
    assert "use_pbc: false" in capsys.readouterr().err
    validated = small_config(optim={"max_epochs": 1, "eval_every": 1000})
    validated["dataset"] = copy.deepcopy(validated["dataset"])
    validated["dataset"]["train"]["transforms"] = {"label_rescaling": {"center": "none", "scale": "forces_rms"}}
    validated["dataset"]["val"]["src"] = str(slabs / "train")
    run = run_main(tmp_path, validated)
    assert run.status == 2
    assert "dataset.val: structure 0" in capsys.readouterr().err
    assert not run.checkpoint().exists()


@pytest.mark.parametrize("kind", ["without boundaries", "with boundaries", "of fairchem's"])
def test_the_calculator_does_not_see_where_the_box_begins(trained, trained_on_all, kind):
    checkpoint = (trained_on_all[0] if kind == "with boundaries" else trained).checkpoint("best_checkpoint.pt")
    if kind == "of fairchem's":
        calculator = OCPCalculator(checkpoint_path=checkpoint)
    else:
        calculator = ocp_dc.calculator(checkpoint, cpu=True)
    reference = ethanol()
    reference.calc = calculator
    for box in (12.0, SKEWED):
        for shift in np.random.default_rng(0).uniform(-30, 30, size=(3, 3)):
            for folded in (True, False):
                atoms = ethanol(box)
                atoms.positions += shift
                if folded:
                    atoms.wrap()
                else:
                    atoms.positions[3:] += 2 * atoms.cell[1]
                atoms.calc = calculator
                assert atoms.get_potential_energy() == pytest.approx(
                    reference.get_potential_energy(), abs=FLOAT32_SHIFTED
                )
                np.testing.assert_allclose(atoms.get_forces(), reference.get_forces(), rtol=0, atol=FLOAT32_SHIFTED)


def test_fairchem_s_calculator_refuses_the_cell_that_it_makes_up(trained_on_all):
    atoms = ethanol()
    atoms.pbc = True
    atoms.calc = OCPCalculator(checkpoint_path=trained_on_all[0].checkpoint("best_checkpoint.pt"))
    with pytest.raises(UserError, match="length 1 Å"):
        atoms.get_potential_energy()


def test_the_calculator_refuses(trained):
    calculator = ocp_dc.calculator(trained.checkpoint("best_checkpoint.pt"), cpu=True)
    boxless = ethanol()
    boxless.pbc = True
    for atoms, message in ((ethanol(4.0), "use_pbc: false"), (boxless, "without a cell|cell vector 1 is zero")):
        atoms.calc = calculator
        with pytest.raises(UserError, match=message):
            atoms.get_potential_energy()
