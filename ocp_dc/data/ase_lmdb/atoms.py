"""ase's atoms from a row of an aselmdb file."""

from __future__ import annotations

from typing import Any

from ase import Atoms
from ase.calculators.calculator import all_properties
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms

from ocp_dc.data.ase_lmdb.reader import fixed_atoms, number_array


def row_atoms(row: dict[str, Any], where: str) -> Atoms:
    """Return the structure of a row, with its results, and with its data and key-value pairs in ``info``.

    As in fairchem 2, labels in data come first.

    Args:
        row: the values of the row by name.
        where: its file and number, for messages.

    Raises:
        UserError: a value of the structure is missing or not a number.
    """
    numbers = number_array(row, "numbers", where)
    atoms = Atoms(
        numbers,
        number_array(row, "positions", where),
        cell=number_array(row, "cell", where),
        pbc=number_array(row, "pbc", where),
        tags=row.get("tags"),
        constraint=FixAtoms(mask=fixed_atoms(row, len(numbers), where).astype(bool)),
    )
    for key in ("data", "key_value_pairs"):
        if isinstance(row.get(key), dict):
            atoms.info.update(row[key])
    labels = {**row, **{name: atoms.info.pop(name) for name in all_properties if name in atoms.info}}
    results = {name: labels[name] for name in all_properties if labels.get(name) is not None}
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms
