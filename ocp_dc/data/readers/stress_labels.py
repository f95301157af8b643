"""The stress of a structure in a file, under any name, in any unit, or as a virial.

A stress is positive under tension, as in ase. A virial is -V times the stress with the volume V, as QUIP and MACE write
it, and has the unit of an energy. Both are symmetric: nine numbers, or six in Voigt order (xx, yy, zz, yz, xz, xy).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms
from ase.stress import full_3x3_to_voigt_6_stress
from numpy.typing import NDArray

from ocp_dc.core.errors import UserError
from ocp_dc.core.units import stress_in_ev_per_cubed_angstrom
from ocp_dc.data.boundaries import has_volume
from ocp_dc.data.readers.label_keys import LabelKeys, missing_name, named_values

VIRIAL_NAMES = ("virial", "virials")  # read without a key, too
OTHER_NAMES = ("stress", "virial")  # parts of the names of labels that are only read by a key
OWN_ENERGIES = (None, "energy", "free_energy")  # names of energies that the stress of the calculator belongs to
ASYMMETRY = 1e-2  # of the largest component


def stress_label(
    atoms: Atoms, keys: LabelKeys, energy: float, length: float, where: str
) -> tuple[NDArray[np.float64] | None, str | None]:
    """Return the stress [6] of ase's atoms in eV/Å³ and Voigt order, and a remark for the user.

    Without names in ``keys``, it is the stress of the calculator, or ``virial`` or ``virials`` in ``info``.

    Args:
        atoms: the structure, with its cell in Å.
        keys: the names, and the unit of a stress.
        energy: the unit of energy of the file, in eV.
        length: its unit of length, in Å.
        where: the location of the structure for messages.

    Returns:
        None in place of the stress where there is none, or where its meaning is not known: then the remark says why.

    Raises:
        UserError: there is no label of a given name, or it has no valid numbers.
    """
    values = named_values(atoms)
    for label, key in (("stress", keys.stress), ("virial", keys.virial)):
        if key is not None and values.get(key) is None:
            raise missing_name(values, label, key, where)
    name, is_virial = _name(atoms, keys)
    if name is None:
        return None, _others(values, keys)
    if not atoms.pbc.any() or not has_volume(atoms.cell.array):
        return None, f"{name} is not kept where a structure is not periodic, or its cell has no volume"
    if not is_virial and is_ambiguous(keys, energy, length):
        return None, "the stress is not kept, as its unit is known only in files in eV and Å; --stress-units states it"
    stress = in_physical_units(values[name], name, is_virial, keys, energy, length, atoms.cell.volume, where)
    guessed = is_virial and keys.virial is None
    return stress, f"{name} is read as -V times the stress, with the volume V" if guessed else None


def is_ambiguous(keys: LabelKeys, energy: float, length: float) -> bool:
    """Return whether the unit of a stress under the usual name is not known: in files in other units than ase's."""
    return keys == LabelKeys(keys.energy, keys.forces) and not energy == length == 1.0


def in_physical_units(
    value: Any, name: str, is_virial: bool, keys: LabelKeys, energy: float, length: float, volume: float, where: str
) -> NDArray[np.float64]:
    """Return the stress [6] in eV/Å³ from the numbers of a file.

    Args:
        value: six or nine numbers.
        name: their name in the file.
        is_virial: whether they are a virial.
        keys: has the unit of a stress.
        energy: the unit of energy of the file, in eV.
        length: its unit of length, in Å.
        volume: of the cell, in Å³.
        where: the location of the structure for messages.

    Raises:
        UserError: the numbers are not those of a symmetric matrix.
    """
    if is_virial:
        return -energy * _voigt(value, name, where) / volume
    unit = energy / length**3 if keys.stress_units is None else stress_in_ev_per_cubed_angstrom(keys.stress_units)
    return unit * _voigt(value, name, where)


def _name(atoms: Atoms, keys: LabelKeys) -> tuple[str | None, bool]:
    """Return the name of the label, None where there is none, and whether it is a virial."""
    if keys.stress is not None or keys.virial is not None:
        return keys.stress or keys.virial, keys.stress is None
    if keys.energy not in OWN_ENERGIES:
        return None, False  # the stress may be of another method than the energies of this name
    if getattr(atoms.calc, "results", {}).get("stress") is not None:
        return "stress", False
    return next((name for name in VIRIAL_NAMES if atoms.info.get(name) is not None), None), True


def _others(values: dict[str, Any], keys: LabelKeys) -> str | None:
    """Return a remark on labels that look like a stress and are not read."""
    names = [name for name, value in values.items() if _looks_like_one(name, value)]
    if not names:
        return None
    return f"no stress is read; --stress-key or --virial-key reads one, and the file has {', '.join(names)}"


def _looks_like_one(name: str, value: Any) -> bool:
    return any(part in name.lower() for part in OTHER_NAMES) and np.size(value) in (6, 9)


def _voigt(value: Any, key: str, where: str) -> NDArray[np.float64]:
    """Return the six components of a symmetric matrix that is given by six or nine numbers."""
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or array.size not in (6, 9) or not np.isfinite(array).all():
        raise UserError(f"{where}: {key} is {np.asarray(value).tolist()}; expected 6 or 3 by 3 finite numbers")
    if array.size == 6:
        return array.reshape(6).astype(np.float64)
    matrix = array.reshape(3, 3).astype(np.float64)
    if np.abs(matrix - matrix.T).max() > ASYMMETRY * np.abs(matrix).max():
        raise UserError(f"{where}: {key} is {matrix.tolist()}; expected a symmetric matrix")
    voigt: NDArray[np.float64] = full_3x3_to_voigt_6_stress(matrix)
    return voigt
