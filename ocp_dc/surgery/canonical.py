"""A canonical form of ``dc:`` blocks."""

from __future__ import annotations

from typing import Any

from ocp_dc.nn import activation
from ocp_dc.surgery.options import DCOptions


def canonical_dc(options: DCOptions, with_extras: bool = True) -> tuple[Any, ...]:
    """Return a canonical form of a ``dc:`` block, which is equal for blocks with the same effect.

    Args:
        options: the options of the block.
        with_extras: whether keys of particular models are included.
    """
    chosen = options.resolved_extras if with_extras else ()
    if options.is_noop:
        return chosen
    inside, elsewhere = (
        wanted if wanted == "original" else repr(activation(wanted))  # includes defaults, in a fixed order
        for wanted in (options.resolved_activation, options.elsewhere)
    )
    activations = (inside, str(options.resolved_region), elsewhere)
    inserted = (float(options.dropout), options.insert_norm, str(options.resolved_insert_region))
    return (*chosen, *activations, options.denormalize, options.norm_gain, *inserted)
