"""The ``label_rescaling:`` block of a dataset's transforms."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ocp_dc.core.errors import UserError, nearest
from ocp_dc.core.json_schema import any_of, choices, number_schema
from ocp_dc.core.numbers import Number
from ocp_dc.core.options import option, parse
from ocp_dc.core.units import positive_energy

FORCES_RMS = "forces_rms"
SMALLEST_SCALE, LARGEST_SCALE = 1e-12, 1e12  # eV


@dataclasses.dataclass(frozen=True)
class LabelOptions:
    """Options of the ``label_rescaling:`` block."""

    center: str = option(
        "none",
        help="subtracted from the energy: nothing, the mean, or reference energies per element (minimum-norm fit)",
        choices=("none", "mean", "composition"),
    )
    scale: float | str = option(
        1.0,
        help="the number C that divides energies and forces: in eV, or text such as '1e6 kcal/mol', or forces_rms "
        "(fitted: the root mean square of the force components in eV/Å)",
        schema=any_of(
            number_schema(Number(SMALLEST_SCALE, LARGEST_SCALE, nullable=False)),
            choices([FORCES_RMS]),
            {"type": "string", "pattern": r"^\s*[0-9.]+([eE][-+]?[0-9]+)?\s*[A-Za-z]"},
        ),
    )

    @classmethod
    def from_block(cls, block: Mapping[str, Any] | None, path: str = "label_rescaling") -> LabelOptions:
        """Return the options of a config's block.

        Raises:
            UserError: a key or value is unknown, or the scale is not positive, out of range or in an unknown unit.
        """
        options = parse(cls, block, path)
        options.fixed_scale(path)
        return options

    def fixed_scale(self, path: str = "label_rescaling") -> float | None:
        """Return the scale in eV, or None if it is fitted."""
        if self.scale == FORCES_RMS:
            return None
        if isinstance(self.scale, str) and (hint := nearest(self.scale, [FORCES_RMS])):
            raise UserError(
                f"{path}.scale: got {self.scale!r}, expected a number in eV, text such as '1e6 kcal/mol', or "
                f"{FORCES_RMS}.{hint}"
            )
        scale = positive_energy(self.scale, f"{path}.scale")
        if not SMALLEST_SCALE <= scale <= LARGEST_SCALE:
            raise UserError(
                f"{path}.scale: got {self.scale!r}, expected from {SMALLEST_SCALE:g} to {LARGEST_SCALE:g} eV, for "
                "float32 cannot represent the labels beyond that range"
            )
        return scale
