from __future__ import annotations

import json
import logging
import re
from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, molecule

from ocp_dc.data.frames import Frame, check_frame
from ocp_dc.data.plausibility import data_warnings
from ocp_dc.data.prepare import prepare
from ocp_dc.data.readers.ase_files import atoms_frame
from ocp_dc.data.readers.npz import NpzSource
from ocp_dc.data.sample import sample_path, slab_sample_path
from ocp_dc.data.summary import Summary
from ocp_dc.data.summary_table import summary_table

from tests.data.test_force_slope import tumbling


def ethanol(count: int = 30) -> list[Frame]:
    source = NpzSource(sample_path(), "rmd17", "eV")
    return [source[20 * index] for index in range(count)]


def summary_of(**splits: list[Frame]) -> Summary:
    summary, index = Summary(), 0
    for name, frames in splits.items():
        for frame in frames:
            summary.add(name, index, frame, check_frame(frame, "f"))
            index += 1
    return summary


def warnings(**splits: list[Frame]) -> list[str]:
    return data_warnings(summary_of(**splits), lambda index: f"f: frame {index}")


def scaled(frames: list[Frame], energy: float = 1.0, forces: float = 1.0, lengths: float = 1.0) -> list[Frame]:
    return [
        replace(f, energy=energy * f.energy, forces=forces * f.forces, positions=lengths * f.positions) for f in frames
    ]


def lone_atom(force: float) -> Frame:
    return atoms_frame(molecule("O"), -1.0, np.full((1, 3), force))


def test_valid_data_raise_no_warning():
    assert warnings(train=ethanol(), val=[lone_atom(0.0)]) == []
    metal = [atoms_frame(bulk("Cu") * (1, 1, k), -3.5 * k, np.zeros((k, 3))) for k in (1, 2)]
    strained = atoms_frame(bulk("Cu", a=3.8) * (1, 1, 2), -6.0, np.array([[0.1, 0, 0], [0, 0, 0]]))
    assert warnings(train=[*metal, strained]) == []
    neon = molecule("CH4")
    neon.numbers[:] = 10
    assert warnings(train=[atoms_frame(neon, 0.0, np.zeros((5, 3))), *scaled(ethanol(2))]) == []


ONE = ethanol(1)[0]
TORN = [replace(frame, forces=frame.forces + 1.0) for frame in ethanol()]
FAILED = [*ethanol(20), replace(ONE, energy=ONE.energy + 100.0)]
EXPLODED = [*ethanol(90), replace(ONE, forces=np.eye(9, 3) * 400.0 - 400.0 / 9 * np.ones((9, 1)) * np.ones(3))]


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (
            scaled(ethanol(), energy=15 * 23.06),
            r"f: frame \d+: C2H6O at -10.*eV, but the energy of all its electrons is at most",
        ),
        (FAILED, r"energies of C2H6O lie [0-9.]+ eV apart, from f: frame \d+ to f: frame 20"),
        ([replace(frame, energy=0.0) for frame in ethanol()], "all 30 energies are 0 eV"),
        (scaled(ethanol(), forces=23.06), "forces have a root mean square of 2"),
        (EXPLODED, r"f: frame 90: a force of .* eV/Å"),
        (scaled(ethanol(), forces=0.0), "all forces are zero"),
        ([*ethanol(), lone_atom(0.1)], r"1 structure.* a lone atom with a force on it.*: f: frame 30"),
        (TORN, "the forces of 30 of 30 free molecules do not add up to zero .first: f: frame 0."),
        (scaled(ethanol(), lengths=0.4), r"f: frame \d+: two atoms \(.-.\) at 0\.\d+ times the length of a bond"),
        (scaled(ethanol(), lengths=1.89), r"no two atoms .*as close as in a bond; .*in bohr"),
        ([*ethanol(), *ethanol(2)], r"2 structure.* of train are repeated.*first: f: frame 30"),
        (tumbling(100, forces=-1.0), "energies change against the forces .correlation -[01].*Change their sign"),
        (tumbling(100, energies=23.06), "energies change by 2[0-9.]+ times what the forces do"),
    ],
)
def test_mistakes_are_warned_of(frames, message):
    """Each mistake is named; no other warning but those that the same mistake must raise."""
    found = warnings(train=frames)
    assert any(re.search(message, text) for text in found), found
    assert len(found) <= 2


def test_a_structure_in_two_splits():
    (found,) = warnings(train=ethanol(), val=ethanol(3), test=[])
    assert "3 structure(s) of val are also in train, atom for atom (first: f: frame 30)" in found
    moved = [replace(frame, positions=frame.positions + 1e-6) for frame in ethanol(3)]
    assert warnings(train=ethanol(), val=moved) == []


def test_a_cell_tells_structures_apart():
    small, large = (atoms_frame(bulk("Cu", a=a), a, np.zeros((1, 3))) for a in (3.6, 3.7))
    assert summary_of(train=[small, large]).duplicates.repeated("train") == []
    assert summary_of(train=[small, large, small]).duplicates.repeated("train") == [2]


def test_the_numbers_are_those_of_a_direct_count():
    frames = ethanol()
    described = summary_of(train=frames)
    forces, energies = np.stack([f.forces for f in frames]), np.array([f.energy for f in frames])
    distances = [np.linalg.norm(f.positions[a] - f.positions[b]) for f in frames for a in range(9) for b in range(a)]
    numbers = described.describe()["statistics"]["train"]
    assert numbers["force_rms_eV_per_A"] == pytest.approx(np.sqrt((forces**2).mean()))
    assert numbers["force_max_eV_per_A"] == pytest.approx(np.linalg.norm(forces, axis=-1).max())
    assert numbers["shortest_distance_A"] == pytest.approx(min(distances))
    assert set(numbers["shortest_distance_elements"].split("-")) == {"O", "H"}
    assert numbers["energy_per_atom_eV"] == {"min": energies.min() / 9, "max": energies.max() / 9}
    assert described.describe()["formulas"] == {"C2H6O": 30}


def test_prepare_says_and_records_it(tmp_path, caplog):
    counts = {"train": 30, "val": 5, "test": 5}
    with caplog.at_level(logging.WARNING):
        description = prepare(
            sample_path(), tmp_path / "out", format="rmd17", units="hartree", **counts, progress=False
        )
    assert [record.message for record in caplog.records] == [f"warning: {text}" for text in description["warnings"]]
    assert any("all its electrons" in text for text in description["warnings"])
    stored = json.loads((tmp_path / "out" / "dataset.json").read_text())
    assert stored == description


def test_the_table(tmp_path):
    description = prepare(slab_sample_path(), tmp_path / "a", format="ase", train=30, val=0, test=5, progress=False)
    assert description["warnings"] == []
    lines = summary_table(description).splitlines()
    assert lines[0].startswith(f"{description['formula_count']} formulas: ")
    assert lines[1].split() == ["train", "test"]
    assert lines[2].split() == ["structures", "30", "5"]
    assert lines[-1].split() == ["also", "in", "train", "0"]
    lone = {**description, "statistics": {"train": summary_of(train=[lone_atom(0.0)]).splits["train"].describe()}}
    assert "shortest distance, Å\n" in summary_table(lone)


@pytest.mark.parametrize(
    ("symbols", "hartree"), [("He", -2.9), ("C6H6", -232.2), ("Pt4", -4 * 18_000.0), ("U2", -2 * 28_000.0)]
)
def test_energies_of_all_electrons_pass(symbols, hartree):
    """Total energies of all-electron calculations, with relativity (Visscher and Dyall 1997)."""
    atoms = Atoms(symbols, np.arange(len(Atoms(symbols)))[:, None] * [2.0, 0, 0])
    frame = atoms_frame(atoms, hartree * units.Hartree, np.zeros((len(atoms), 3)))
    assert not any("electrons" in text for text in warnings(train=[frame]))
    assert any("electrons" in text for text in warnings(train=scaled([frame], energy=23.06)))
