"""The ``label_rescaling:`` block of a dataset's transforms."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ocp_dc.core.errors import UserError, nearest
from ocp_dc.core.json_schema import any_of, choices, number_schema
from ocp_dc.core.numbers import Number
from ocp_dc.core.options import option, parse
from ocp_dc.core.units import positive_energy, split_quantity

FORCES_RMS = "forces_rms"
SMALLEST_SCALE, LARGEST_SCALE = 1e-12, 1e12  # eV; also of the number before forces_rms


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
        "(fitted: the root mean square of the force components in eV/Å), or a part of it, such as '0.04 forces_rms'",
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
        if self.rms_factor(path) is not None:
            return None
        _, unit = self._number_and_unit()
        if unit and (hint := nearest(unit, [FORCES_RMS])):
            raise UserError(
                f"{path}.scale: got {self.scale!r}, expected a number in eV, text such as '1e6 kcal/mol', "
                f"{FORCES_RMS}, or a part of it such as '0.04 {FORCES_RMS}'.{hint}"
            )
        scale = positive_energy(self.scale, f"{path}.scale")
        if not SMALLEST_SCALE <= scale <= LARGEST_SCALE:
            raise UserError(
                f"{path}.scale: got {self.scale!r}, expected from {SMALLEST_SCALE:g} to {LARGEST_SCALE:g} eV, for "
                "float32 cannot represent the labels beyond that range"
            )
        return scale

    def rms_factor(self, path: str = "label_rescaling") -> float | None:
        """Return the number that multiplies the RMS of the forces, or None if the scale is not fitted."""
        number, unit = self._number_and_unit()
        if unit != FORCES_RMS:
            return None
        factor = float(number)
        if not SMALLEST_SCALE <= factor <= LARGEST_SCALE:
            raise UserError(
                f"{path}.scale: got {self.scale!r}, expected a number from {SMALLEST_SCALE:g} to {LARGEST_SCALE:g} "
                f"before {FORCES_RMS}, such as '0.04 {FORCES_RMS}'"
            )
        return factor

    def _number_and_unit(self) -> tuple[str, str]:
        """Return the number, 1 where there is none, and the unit of a scale that is text, both as texts."""
        text = self.scale.strip() if isinstance(self.scale, str) else ""
        number, unit = split_quantity(text) or ("1", text)
        return number, unit.lstrip("* ")
