"""Standard types and shapes of the values of a sample; other programs use various ones, which cannot be batched."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import numpy as np
import torch
from ase.stress import voigt_6_to_full_3x3_stress
from numpy.typing import NDArray

from ocp_dc.core.errors import UserError

# labels of OC20 and OC22 are named y and force; a key mapping renames them, after the transforms
ENERGY_KEYS = ("energy", "y")
RELAXATION_KEYS = ("y_relaxed", "y_init")  # of IS2RE
FORCES_KEYS = ("forces", "force")
STRESS_KEY = "stress"
NUMBER_KEYS = (*ENERGY_KEYS, *RELAXATION_KEYS, "natoms")  # one for each structure
ATOM_KEYS = ("atomic_numbers", "fixed", "tags")  # one for each atom
VECTOR_KEYS = ("pos", *FORCES_KEYS)  # three for each atom
CELL_SHAPES = {"cell": (1, 3, 3), "pbc": (1, 3), STRESS_KEY: (1, 3, 3)}
IDENTITIES = ("sid", "fid")
FLAGS = ("fixed", "pbc")  # bool is valid, too


def standardize(values: MutableMapping[str, Any], where: str) -> None:
    """Convert the values of a sample, in place, to the types and shapes that ``ocp-dc prepare`` writes.

    Values of None are removed. Energies become Python floats; ``natoms``, ``sid`` and ``fid`` become a single Python
    value, usually an int; atomic numbers, fixed and tags become tensors [N]; pos and forces become tensors in the
    default precision, except that forces in float64 are kept; cell and stress become [1, 3, 3], and pbc [1, 3] bool. A
    stress may have six numbers in Voigt order. Values that already have this form are not replaced.

    Args:
        values: the values of the sample, by name.
        where: the location of the sample for messages: its file and its record.

    Raises:
        UserError: a value is not numeric, holds truth values instead of numbers, or has the wrong number of elements.
    """
    for key in IDENTITIES:
        value = values.get(key)
        if value is None:
            values.pop(key, None)
        elif type(value) not in (int, str) and (array := np.asarray(value)).size == 1:  # tensors in OC20
            values[key] = array.item()
    for key in (*NUMBER_KEYS, *ATOM_KEYS, *VECTOR_KEYS, *CELL_SHAPES):
        value = values.get(key)
        if value is None:
            values.pop(key, None)
        elif not _is_standard(key, value):
            values[key] = _standardized(key, value, where)


def as_array(value: Any, key: str, where: str) -> NDArray:
    """Return a value as an array of numbers, without copying a tensor.

    Raises:
        UserError: the value is not numeric.
    """
    if isinstance(value, torch.Tensor):
        value = value.detach()
        if value.dtype is torch.bfloat16:  # numpy has none
            value = value.float()
        if value.layout is torch.strided and value.device.type == "cpu" and not value.is_complex():
            return value.numpy()
    else:
        try:
            array = np.asarray(value)
        except ValueError:  # lists of different lengths
            pass
        else:
            if array.dtype.kind in "biuf":
                return array
    raise UserError(f"{where}: {key} holds {type(value).__name__} {value!r:.50}; expected numbers")


def _is_standard(key: str, value: Any) -> bool:
    if key in NUMBER_KEYS:
        return type(value) is (int if key == "natoms" else float)
    if type(value) is not torch.Tensor or value.requires_grad:
        return False
    if key in ATOM_KEYS:
        return value.dim() == 1 and value.dtype in (torch.int64, torch.int32)
    if key in VECTOR_KEYS:
        return value.dtype is torch.get_default_dtype()
    return value.shape == CELL_SHAPES[key] and value.dtype is (
        torch.bool if key == "pbc" else torch.get_default_dtype()
    )


def _standardized(key: str, value: Any, where: str) -> Any:
    array = as_array(value, key, where)
    if array.dtype.kind == "b" and key not in FLAGS:
        raise UserError(f"{where}: {key} holds True and False; expected numbers")
    if key in NUMBER_KEYS:
        if array.size != 1:
            raise UserError(f"{where}: {key} has shape {array.shape}, expected one number, that of the structure")
        number = array.item()
        return float(number) if key != "natoms" else int(number) if number == np.round(number) else number
    if key in CELL_SHAPES:
        shape = CELL_SHAPES[key]
        if key == STRESS_KEY and array.size == 6:
            array = voigt_6_to_full_3x3_stress(array.reshape(6))
        if array.size != np.prod(shape):
            raise UserError(f"{where}: {key} has shape {array.shape}, expected {np.prod(shape)} numbers")
        array = array.reshape(shape)
    if key in ATOM_KEYS:
        array = array.reshape(-1)
    if key == "pbc" and not ((array == 0) | (array == 1)).all():
        raise UserError(f"{where}: pbc is {array.ravel().tolist()}; expected True or False for each cell vector")
    if key in ("fixed", "tags") and not (array == np.round(array)).all():
        raise UserError(f"{where}: {key} holds {array[array != np.round(array)][0]}; expected whole numbers")
    tensor = torch.from_numpy(np.array(array, order="C"))
    if key == "pbc":
        return tensor.bool()
    if key in ATOM_KEYS:
        return tensor.long() if (array == np.round(array)).all() else tensor
    keep_precision = key in FORCES_KEYS and tensor.dtype is torch.float64
    return tensor if keep_precision else tensor.to(torch.get_default_dtype())
