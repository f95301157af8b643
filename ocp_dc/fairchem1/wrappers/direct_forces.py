"""What models share that can, or always do, predict forces by a head of their own and derive none from the energy."""

from __future__ import annotations

import logging
from typing import Any

from ocp_dc.core.errors import UserError
from ocp_dc.surgery import DCOptions


def forces_are_gradients(model: Any) -> bool:
    """Tell whether a model with fairchem's ``regress_forces`` and ``direct_forces`` takes forces as -dE/dx."""
    return bool(model.regress_forces and not model.direct_forces)


def refuse_direct_forces(model: Any) -> None:
    """Refuse direct forces: derivatives cannot be constrained where none are taken.

    Raises:
        UserError: the model predicts forces beside the energy.
    """
    if model.direct_forces:
        raise UserError(
            "model.direct_forces: got True together with a dc: block; forces would come from a head of their own and "
            "not be the derivatives of the energy; set direct_forces: false, or leave the dc: block out"
        )


def check_direct(options: DCOptions, reason: str | None, name: str) -> None:
    """Let a block change a model whose forces are no derivatives only where ``allow_direct`` says so.

    Args:
        options: the ``dc:`` block.
        reason: why its forces are no derivatives; None where they are, or where there are none.
        name: the registered name, for messages.

    Raises:
        UserError: there are direct forces and no ``allow_direct``, or the other way round.
    """
    if reason is None and options.allow_direct:
        raise UserError(
            f"model.dc.allow_direct: {name} predicts no forces directly here, so that the key means nothing; remove it"
        )
    if reason is None or options.asks_for_nothing:
        return
    message = f"model.dc: the forces of {name} are not the derivatives of its energy: {reason}"
    if not options.allow_direct:
        raise UserError(
            f"{message}; there is no derivative to constrain. Set dc.allow_direct: true to change its layers all the "
            "same, or leave the dc: block out"
        )
    logging.warning(f"{message}. Its layers are changed all the same (allow_direct)")
