"""Direct forces: a model predicts them separately instead of deriving them from the energy."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any, ClassVar

from ocp_dc.core.errors import UserError
from ocp_dc.core.options import option
from ocp_dc.surgery.options import DCOptions


@dataclasses.dataclass(frozen=True)
class DirectOptions(DCOptions):
    """The ``dc:`` block of a model that may predict forces directly."""

    not_for_others: ClassVar[str] = (
        "{name} predicts no forces directly here, so that the key means nothing; remove it"  # by model or arguments
    )

    allow_direct: bool = option(
        False, help="only for models whose forces are not derivatives of the energy: change their layers anyway"
    )


def forces_are_gradients(model: Any) -> bool:
    """Return whether a model computes forces as -dE/dx, by its ``regress_forces`` and ``direct_forces``."""
    return bool(getattr(model, "regress_forces", False) and not getattr(model, "direct_forces", False))


def refuse_direct_forces(model: Any) -> None:
    """Refuse direct forces, since they are not derivatives that could be constrained.

    Raises:
        UserError: the model predicts direct forces.
    """
    if getattr(model, "direct_forces", False):
        raise UserError(
            "model.direct_forces: got True together with a dc: block; forces would come from a separate head and "
            "not be the derivatives of the energy; set direct_forces: false, or leave the dc: block out"
        )


def check_direct(options: DirectOptions, reason: str | None, name: str) -> None:
    """Refuse a block that changes a model with direct forces, unless ``allow_direct`` is set.

    Args:
        options: the ``dc:`` block.
        reason: why its forces are not derivatives of the energy; None if they are, or if it predicts no forces.
        name: the registered name, for messages.

    Raises:
        UserError: the forces are direct and ``allow_direct`` is not set, or the reverse.
    """
    if reason is None and options.allow_direct:
        raise UserError(f"model.dc.allow_direct: {options.not_for_others.format(name=name)}")
    if reason is None or options.is_noop:
        return
    message = f"model.dc: the forces of {name} are not the derivatives of its energy: {reason}"
    if not options.allow_direct:
        raise UserError(
            f"{message}; there is no derivative to constrain. Set dc.allow_direct: true to change its layers all the "
            "same, or leave the dc: block out"
        )
    logging.warning(f"{message}. Its layers are changed all the same (allow_direct)")
