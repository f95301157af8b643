"""The ``label_rescaling:`` block of a dataset's transforms."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ocp_dc.core.errors import UserError, nearest
from ocp_dc.core.options import option, parse
from ocp_dc.core.units import positive_energy

FORCES_RMS = "forces_rms"
SMALLEST_SCALE, LARGEST_SCALE = 1e-12, 1e12  # eV


@dataclasses.dataclass(frozen=True)
class LabelOptions:
    """Options of the ``label_rescaling:`` block."""

    center: str = option(
        "none",
        help="what the energy loses: nothing, the mean, or per-element references by minimum-norm least squares",
        choices=("none", "mean", "composition"),
    )
    scale: float | str = option(
        1.0, help="the constant C: a number in eV, a text such as '1e6 kcal/mol', or forces_rms (in eV/Å, from the fit)"
    )

    @classmethod
    def from_block(cls, block: Mapping[str, Any] | None, path: str = "label_rescaling") -> LabelOptions:
        """Read the block of a config.

        Raises:
            UserError: an unknown key or value, or a scale that is zero, negative, out of range or in an unknown unit.
        """
        options = parse(cls, block, path)
        options.fixed_scale(path)
        return options

    def fixed_scale(self, path: str = "label_rescaling") -> float | None:
        """Return the scale in eV, or None where it comes from the fit."""
        if self.scale == FORCES_RMS:
            return None
        if isinstance(self.scale, str) and (hint := nearest(self.scale, [FORCES_RMS])):
            raise UserError(
                f"{path}.scale: got {self.scale!r}, expected a number in eV, a text such as '1e6 kcal/mol', or "
                f"{FORCES_RMS}.{hint}"
            )
        scale = positive_energy(self.scale, f"{path}.scale")
        if not SMALLEST_SCALE <= scale <= LARGEST_SCALE:
            raise UserError(
                f"{path}.scale: got {self.scale!r}, expected from {SMALLEST_SCALE:g} to {LARGEST_SCALE:g} eV; beyond "
                "it float32 loses the labels"
            )
        return scale
