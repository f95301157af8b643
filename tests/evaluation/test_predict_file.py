"""Predictions of files: what is written, in which order, and after an interruption."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms

from ocp_dc.core.errors import UserError
from ocp_dc.data.structures import ReadOptions
from ocp_dc.evaluation.ensemble import EnsemblePredictor
from ocp_dc.evaluation.predict_file import predict_atoms, predict_file
from ocp_dc.evaluation.xyz_output import xyz_bytes

from tests.helpers.harmonic_predictor import Harmonic, clusters

ALL = ("energy", "forces", "stress")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "harmonic.pt"
    path.write_bytes(b"k = 1")
    return path


def labeled(count: int) -> list[Atoms]:
    """Return clusters with labels, entries in info and arrays, and some fixed atoms."""
    made = clusters(count)
    for index, atoms in enumerate(made):
        atoms.info |= {"name": f"frame {index}", "REF_energy": -5.0 - index}
        atoms.arrays["charges_of_mine"] = np.arange(len(atoms)) / 2
        atoms.set_constraint(FixAtoms([0]))
        forces = np.full((len(atoms), 3), 0.25)
        atoms.calc = SinglePointCalculator(atoms, energy=10.0 + index, forces=forces)
    return made


@pytest.mark.parametrize("suffix", ["xyz", "traj", "db"])
def test_the_output_holds_predictions_and_everything_of_the_source(tmp_path, checkpoint, suffix):
    frames = labeled(7)
    ase.io.write(tmp_path / f"in.{suffix}", frames)
    src, out = tmp_path / f"in.{suffix}", tmp_path / "out.xyz"
    done = predict_file(Harmonic(2.0, properties=ALL), [checkpoint], src, out, batch_size=3, progress=False)
    assert (done.structures, done.continued) == (7, 0)
    found = ase.io.read(out, ":")
    for index, (atoms, frame) in enumerate(zip(found, frames, strict=True)):
        assert atoms.get_potential_energy() == pytest.approx(2.0 * (frame.positions**2).sum(), rel=1e-7)
        np.testing.assert_allclose(atoms.get_forces(apply_constraint=False), -4.0 * frame.positions, atol=1e-6)
        assert ("stress" in atoms.calc.results) == (index % 3 == 0)
        assert atoms.info["source_energy"] == 10.0 + index
        np.testing.assert_array_equal(atoms.arrays["source_forces"], np.full((len(frame), 3), 0.25))
        assert atoms.numbers.tolist() == frame.numbers.tolist()
        np.testing.assert_allclose(atoms.cell.array, frame.cell.array)
        assert atoms.pbc.tolist() == frame.pbc.tolist()
        assert atoms.constraints[0].index.tolist() == [0]
        if suffix == "xyz":  # the others do not store info and arrays
            assert atoms.info["name"] == f"frame {index}"
            assert atoms.info["REF_energy"] == -5.0 - index
            np.testing.assert_array_equal(atoms.arrays["charges_of_mine"], np.arange(len(frame)) / 2)


def test_units_and_names_of_the_labels(tmp_path, checkpoint):
    atoms = Atoms("H2", [[0, 0, 0], [0, 0, 1.5]])
    atoms.info["REF_energy"] = 23.0
    atoms.calc = SinglePointCalculator(atoms, energy=1.0, forces=np.ones((2, 3)))
    ase.io.write(tmp_path / "in.xyz", atoms)
    options = ReadOptions(units="kcal/mol", length_units="bohr", energy_key="REF_energy")
    predict_file(Harmonic(1.0), [checkpoint], tmp_path / "in.xyz", tmp_path / "out.xyz", options, progress=False)
    found = ase.io.read(tmp_path / "out.xyz")
    kcal, bohr = 0.0433641, 0.5291772
    assert found.get_potential_energy() == pytest.approx((1.5 * bohr) ** 2, rel=1e-6)
    assert found.info["REF_energy"] == pytest.approx(23.0 * kcal, rel=1e-6)
    assert found.info["source_energy"] == 1.0  # a result that was not asked for, as it was in the file
    np.testing.assert_allclose(found.arrays["source_forces"], kcal / bohr, rtol=1e-6)


def test_structures_without_labels(tmp_path, checkpoint):
    ase.io.write(tmp_path / "in.xyz", clusters(3))
    predict_file(Harmonic(1.0), [checkpoint], tmp_path / "in.xyz", tmp_path / "out.xyz", progress=False)
    for atoms in ase.io.read(tmp_path / "out.xyz", ":"):
        assert not [name for name in (*atoms.info, *atoms.arrays) if name.startswith("source_")]


def test_the_spread_of_an_ensemble(tmp_path, checkpoint):
    ase.io.write(tmp_path / "in.xyz", clusters(4))
    ensemble = EnsemblePredictor([Harmonic(1.0), Harmonic(3.0)], ["a", "b"])
    predict_file(ensemble, [checkpoint], tmp_path / "in.xyz", tmp_path / "out.xyz", progress=False)
    for atoms in ase.io.read(tmp_path / "out.xyz", ":"):
        assert atoms.info["energy_std"] == pytest.approx((atoms.positions**2).sum(), rel=1e-6)
        expected = 2 * np.linalg.norm(atoms.positions, axis=1)
        np.testing.assert_allclose(atoms.arrays["forces_std"].reshape(-1), expected, atol=1e-6)


def test_energies_of_atoms_are_refused_where_there_are_none(tmp_path, checkpoint):
    src, out = tmp_path / "in.xyz", tmp_path / "out.xyz"
    ase.io.write(src, clusters(4))
    with pytest.raises(UserError, match="predicts energy, forces, but no energies of atoms"):
        predict_file(Harmonic(1.0), [checkpoint], src, out, progress=False, energies=True)
    assert not list(tmp_path.glob("out*"))


def test_the_file_of_predictions_can_be_predicted(tmp_path, checkpoint):
    ase.io.write(tmp_path / "in.xyz", clusters(4))
    ensemble = EnsemblePredictor([Harmonic(1.0), Harmonic(3.0)], ["a", "b"])
    for src, out in (("in", "once"), ("once", "twice")):
        predict_file(ensemble, [checkpoint], tmp_path / f"{src}.xyz", tmp_path / f"{out}.xyz", progress=False)
    once, twice = (ase.io.read(tmp_path / f"{name}.xyz") for name in ("once", "twice"))
    assert twice.get_potential_energy() == pytest.approx(once.get_potential_energy())
    assert twice.info["source_energy"] == once.get_potential_energy()
    assert twice.info["source_energy_std"] == once.info["energy_std"]


@pytest.mark.parametrize("suffix", ["xyz", "traj", "db"])
@pytest.mark.parametrize("stop_after", [0, 1, 3])
def test_an_interrupted_prediction_continues(tmp_path, checkpoint, suffix, stop_after):
    src = tmp_path / f"in.{suffix}"
    ase.io.write(src, labeled(11))
    whole, out = tmp_path / "whole.xyz", tmp_path / "out.xyz"
    arguments = {"batch_size": 3, "progress": False}
    uninterrupted = Harmonic(1.0)
    predict_file(uninterrupted, [checkpoint], src, whole, **arguments)
    with pytest.raises(KeyboardInterrupt):
        predict_file(Harmonic(1.0, stop_after), [checkpoint], src, out, **arguments)
    assert not out.exists()
    assert len(list(tmp_path.glob("out.xyz.*.partial"))) == (stop_after > 0)
    again = Harmonic(1.0)
    done = predict_file(again, [checkpoint], src, out, **arguments)
    # the last batch on the disk is not surely whole
    assert done.continued == 3 * max(0, stop_after - 1)
    assert again.sizes == uninterrupted.sizes[max(0, stop_after - 1) :]
    assert out.read_bytes() == whole.read_bytes()
    assert not list(tmp_path.glob("*.partial"))


def test_an_output_that_is_cut_anywhere_continues(tmp_path, checkpoint):
    src, whole = tmp_path / "in.xyz", tmp_path / "whole.xyz"
    ase.io.write(src, labeled(9))
    predict_file(Harmonic(1.0), [checkpoint], src, whole, batch_size=2, progress=False)
    content = whole.read_bytes()
    with pytest.raises(KeyboardInterrupt):
        predict_file(Harmonic(1.0, 4), [checkpoint], src, tmp_path / "out.xyz", batch_size=2, progress=False)
    (partial,) = tmp_path.glob("*.partial")
    for end in np.random.default_rng(0).integers(0, len(content) + 1, 25).tolist():
        out = tmp_path / str(end) / "out.xyz"
        out.parent.mkdir(exist_ok=True)
        (out.parent / partial.name).write_bytes(content[:end])
        predict_file(Harmonic(1.0), [checkpoint], src, out, batch_size=2, progress=False)
        assert out.read_bytes() == content
        shutil.rmtree(out.parent)


@pytest.mark.parametrize("change", ["checkpoint", "batch_size", "file", "options"])
def test_another_job_begins_anew(tmp_path, checkpoint, change, caplog):
    src, out = tmp_path / "in.xyz", tmp_path / "out.xyz"
    ase.io.write(src, labeled(9))
    with pytest.raises(KeyboardInterrupt):
        predict_file(Harmonic(1.0, 3), [checkpoint], src, out, batch_size=2, progress=False)
    (partial,) = tmp_path.glob("*.partial")
    arguments = {"batch_size": 2, "options": ReadOptions()}
    if change == "checkpoint":
        checkpoint.write_bytes(b"k = 2")
    elif change == "file":
        ase.io.write(src, labeled(10))
    else:
        arguments[change] = {"batch_size": 3, "options": ReadOptions(length_units="nm")}[change]
    done = predict_file(Harmonic(1.0), [checkpoint], src, out, progress=False, **arguments)
    assert done.continued == 0
    assert partial.exists()
    assert "of another job" in caplog.text


def test_a_finished_output_is_not_overwritten(tmp_path, checkpoint):
    src, out = tmp_path / "in.xyz", tmp_path / "out.xyz"
    ase.io.write(src, clusters(2))
    out.write_text("mine")
    with pytest.raises(UserError, match=r"out\.xyz: exists; name another file, or give --overwrite"):
        predict_file(Harmonic(1.0), [checkpoint], src, out, progress=False)
    assert out.read_text() == "mine"
    predict_file(Harmonic(1.0), [checkpoint], src, out, overwrite=True, progress=False)
    assert len(ase.io.read(out, ":")) == 2


def test_a_structure_that_is_not_plausible_is_named_and_leaves_nothing(tmp_path, checkpoint):
    frames = clusters(3)
    frames[0].positions[0] = np.nan
    ase.io.write(tmp_path / "in.traj", frames)
    with pytest.raises(UserError, match=r"in\.traj: frame 0: positions are NaN"):
        predict_file(Harmonic(1.0), [checkpoint], tmp_path / "in.traj", tmp_path / "out.xyz", progress=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["harmonic.pt", "in.traj"]


def test_an_error_of_the_checkpoint_names_the_structures(tmp_path, checkpoint, monkeypatch):
    ase.io.write(tmp_path / "in.xyz", clusters(5))
    predictor = Harmonic(1.0)
    predict = predictor.predict

    def refuse(structures, energies):
        if len(predictor.sizes) == 1:
            raise UserError("unknown element")
        return predict(structures, energies)

    monkeypatch.setattr(predictor, "predict", refuse)
    with pytest.raises(UserError, match=r"in\.xyz: frame 2 and the 1 after it: unknown element"):
        predict_file(predictor, [checkpoint], tmp_path / "in.xyz", tmp_path / "o.xyz", batch_size=2, progress=False)


def test_entries_that_a_line_cannot_hold(tmp_path, checkpoint):
    atoms = Atoms("H2", [[0, 0, 0], [0, 0, 1.5]])
    atoms.info |= {"text": "two\nlines", "nested": {"a": [np.float64(1.5), "b\nc"]}, "energy": 3.0}
    ase.io.write(tmp_path / "in.traj", atoms)
    predict_file(Harmonic(1.0), [checkpoint], tmp_path / "in.traj", tmp_path / "out.xyz", progress=False)
    (found,) = ase.io.read(tmp_path / "out.xyz", ":")
    assert found.info["text"] == "two lines"
    assert found.info["nested"] == {"a": [1.5, "b c"]}
    assert found.info["source_energy"] == 3.0


def test_arrays_that_a_line_cannot_hold():
    atoms = Atoms("H2", [[0, 0, 0], [0, 0, 1.5]])
    atoms.arrays |= {"tensor": np.arange(18.0).reshape(2, 3, 3), "small": np.array([1, 2], dtype=np.uint8)}
    found = ase.io.read(io.StringIO(xyz_bytes([atoms], ["here"]).decode()), format="extxyz")
    np.testing.assert_array_equal(found.arrays["tensor"], np.arange(18.0).reshape(2, 9))
    assert found.arrays["small"].tolist() == [1, 2]
    atoms.arrays["numbers_of_no_line"] = np.array([1j, 2j])
    with pytest.raises(UserError, match="here: cannot be written as extended XYZ"):
        xyz_bytes([atoms], ["here"])


def test_atoms_in_memory_are_copied():
    structures = clusters(5)
    found = list(predict_atoms(Harmonic(2.0), iter(structures), batch_size=2))
    assert all(atoms.calc is None for atoms in structures)
    for atoms, before in zip(found, structures, strict=True):
        assert atoms.get_potential_energy() == pytest.approx(2.0 * (before.positions**2).sum())
