"""Options of models whose stock forces are not -dE/dx, but whose wrapper can compute -dE/dx."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from ocp_dc.surgery import DCOptions


@dataclasses.dataclass(frozen=True)
class GradientOptions(DCOptions):
    """A ``dc:`` block with one more key, ``exact`` or ``stock``, which a subclass declares.

    Attributes:
        gradient_key: the name of the key.
        not_for_others: why the key is refused for other models, with ``{name}`` for the model.
    """

    gradient_key: ClassVar[str]
    not_for_others: ClassVar[str]

    @property
    def resolved_gradients(self) -> str:
        """``exact`` or ``stock``; if the key is absent, ``exact`` if the block changes a layer."""
        return getattr(self, self.gradient_key) or ("stock" if self.is_noop else "exact")

    @property
    def is_stock(self) -> bool:
        """Return whether the block changes neither the layers nor the forces of the stock model."""
        return self.is_noop and self.resolved_gradients == "stock"

    @property
    def resolved_extras(self) -> tuple[str, ...]:
        """The way to compute forces, ``exact`` or ``stock``."""
        return (self.resolved_gradients,)
