"""Checkpoints of native potentials for the installed host, small structures, and their edges found by ase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import ase.build
import numpy as np
import torch
from ase import Atoms
from ase.neighborlist import neighbor_list
from torch import Tensor

from ocp_dc.checkpoints.convert import convert_checkpoint
from ocp_dc.checkpoints.saved_potential import build_potential

from tests.helpers.old_checkpoints import ARGUMENTS, checkpoint, draw_weights, model_named

NAMES = ("schnet", "painn", "dimenetplusplus", "gemnet_t")
ENERGIES = {1: -13.6, 6: -1030.1, 8: -2040.0, 29: -500.0}  # eV
TOLERANCE = 1e-5  # eV and eV/Å, between programs, each of which computes in float32


def write_checkpoint(
    name: str, path: Path, dc: Mapping[str, Any] | None = None, host: str | None = None, **arguments: Any
) -> Path:
    """Write a checkpoint with weights that are drawn, and return it.

    Args:
        name: the name of the model.
        path: the file.
        dc: its ``dc:`` block.
        host: ``1`` for one of fairchem 1; None for one of the installed host.
        arguments: changes of the arguments of the model.
    """
    graph: dict[str, Any] = {key: arguments.pop(key) for key in ("use_pbc", "max_neighbors") if key in arguments}
    torch.manual_seed(3)
    potential = build_potential(model_named(name), {**ARGUMENTS[name], **arguments}, dc, {})
    draw_weights(potential, size=0.1)
    if name == "painn":
        exact: dict[str, Any] = {"force_gradients": "exact"}
        dc = exact if dc is None else {**exact, **dc}
        graph["direct_forces"] = False
    block = {**arguments, **graph}
    if dc is not None:
        block["dc"] = dict(dc)
    content = checkpoint(f"dc_{name}", potential.state_dict(), **block)
    references = torch.full((60,), torch.nan, dtype=torch.float64)
    for number, energy in ENERGIES.items():
        references[number] = energy
    labels = {"scale": 0.7, "mean": -3.0, "references": references}
    torch.save({**content, "normalizers": {}, "label_rescaling": labels}, path)
    return path if host == "1" else for_host(path)


def for_host(path: Path) -> Path:
    """Return a checkpoint of fairchem 1 for the installed host: itself, or converted to fairchem 2."""
    if installed() != "2":
        return path
    new = path.with_name(f"new-{path.name}")
    if not new.exists():
        convert_checkpoint(path, new)
    return new


def installed() -> str:
    """Return the major version of fairchem, or an empty text."""
    try:
        return version("fairchem-core").partition(".")[0]
    except PackageNotFoundError:
        return ""


def molecule() -> Atoms:
    atoms = ase.build.molecule("CH3CH2OH")
    atoms.rattle(0.05, seed=1)
    return atoms


def crystal() -> Atoms:
    """Copper and oxygen, in a cell that is shorter than the cutoff, without neighbors at equal distances."""
    atoms = ase.build.bulk("Cu", "fcc", a=3.7) * (1, 2, 2)
    atoms.numbers[::2] = 8
    strain = np.array([[0.03, 0.01, 0.0], [-0.02, -0.04, 0.05], [0.01, 0.03, 0.02]])
    atoms.set_cell(atoms.cell.array @ (np.eye(3) + strain), scale_atoms=True)
    atoms.rattle(0.1, seed=2)
    return atoms


def box() -> Atoms:
    """Water in a large cell, with atoms outside of it."""
    atoms = ase.build.molecule("H2O")
    atoms.set_cell([6, 6.5, 7])
    atoms.pbc = True
    atoms.rattle(0.05, seed=3)
    atoms.positions += [0.2, -1.0, 8.0]
    return atoms


def apart() -> Atoms:
    """Two atoms that are no neighbors."""
    return Atoms("OH", [[0.0, 0.0, 0.0], [0.0, 0.0, 20.0]])


def structures() -> list[Atoms]:
    return [molecule(), crystal(), box(), apart()]


def inputs(atoms: Sequence[Atoms], cutoff: float) -> tuple[Tensor, ...]:
    """The inputs of an exported file for a batch of structures."""
    edges, start = [], 0
    for each in atoms:
        target, source, images = neighbor_list("ijS", each, cutoff)
        edges.append((source + start, target + start, images))
        start += len(each)
    source, target, images = (np.concatenate(column).astype(np.int64) for column in zip(*edges, strict=True))
    sizes = torch.tensor([len(each) for each in atoms])
    return (
        torch.from_numpy(np.concatenate([each.numbers for each in atoms])).long(),
        torch.from_numpy(np.concatenate([each.positions for each in atoms])),
        torch.from_numpy(np.stack([each.cell.array for each in atoms])),
        torch.from_numpy(source),
        torch.from_numpy(target),
        torch.from_numpy(images),
        torch.repeat_interleave(torch.arange(len(atoms)), sizes),
    )
