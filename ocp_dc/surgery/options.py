"""The ``dc:`` block of a model: what derivative-constrained training changes in it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ocp_dc.core.errors import UserError
from ocp_dc.core.numbers import finite_number
from ocp_dc.core.options import option, parse

REGION_NAMES = ("none", "output", "full", "paper")


@dataclasses.dataclass(frozen=True)
class DCOptions:
    """Options of the ``dc:`` block, as written: None stands for an absent key."""

    activation: str | Mapping[str, Any] | None = option(
        None, help="name of the activation, or {name: irelu, coefficient: 0.5}; irelu where only a region is given"
    )
    region: str | Sequence[str] | None = option(
        None,
        help="none, output, full, paper, or a list of regular expressions (re.search on module paths); "
        "paper where only an activation is given",
    )
    elsewhere: str | Mapping[str, Any] = option(
        "original", help="the activation outside the region: original, or any activation"
    )
    denormalize: str = option(
        "none", help="normalization layers to take out", choices=("none", "batchnorm", "layernorm", "all")
    )
    norm_gain: str = option(
        "none",
        help="what goes where a norm was: none, or fitted, one constant per norm that is fitted when a training starts",
        choices=("none", "fitted"),
    )
    dropout: float = option(
        0.0, help="the probability, in [0, 1), of dropout behind each activation of insert_region; 0.0 for none"
    )
    insert_norm: str = option(
        "none",
        help="what goes behind each activation of insert_region, before the dropout: none, or batchnorm (BatchNorm1d)",
        choices=("none", "batchnorm"),
    )
    insert_region: str | Sequence[str] | None = option(
        None, help="where dropout and insert_norm go: output, full, paper, or a list of regular expressions; output"
    )
    angle_gradients: str | None = option(
        None,
        help="models with detached angles only: exact or stock; exact where anything is asked for",
        choices=("exact", "stock"),
    )
    force_gradients: str | None = option(
        None,
        help="PaiNN only, whose stock forces are no derivative of its energy: exact or stock; exact where anything is "
        "asked for",
        choices=("exact", "stock"),
    )
    allow_direct: bool = option(
        False, help="models whose forces are not derivatives of the energy only: change their layers all the same"
    )

    @classmethod
    def from_block(cls, block: Mapping[str, Any] | None, path: str = "model.dc") -> DCOptions:
        """Read the block of a config; see :func:`ocp_dc.core.options.parse` for what is refused."""
        return parse(cls, block, path)

    @property
    def wanted_activation(self) -> str | Mapping[str, Any]:
        """The activation of the region: ``original`` where nothing was asked for."""
        if self.activation is not None:
            return self.activation
        return "irelu" if self.region not in (None, "none") else "original"

    @property
    def wanted_region(self) -> str | Sequence[str]:
        """The region that ``wanted_activation`` goes to."""
        if self.region is not None:
            return self.region
        return "paper" if self.activation not in (None, "original") else "none"

    @property
    def swaps(self) -> bool:
        """Whether any activation is asked to change."""
        inside = self.wanted_region != "none" and self.wanted_activation != "original"
        return inside or self.elsewhere != "original"

    @property
    def inserts(self) -> bool:
        """Whether anything is asked to go behind activations."""
        return self.dropout != 0 or self.insert_norm != "none"

    @property
    def wanted_insert_region(self) -> str | Sequence[str]:
        """The region that dropout and norms go to."""
        if not self.inserts:
            return "none"
        return "output" if self.insert_region is None else self.insert_region

    @property
    def asks_for_nothing(self) -> bool:
        """Whether the block leaves the layers of the stock model as they are."""
        return not self.swaps and self.denormalize == "none" and not self.inserts

    @property
    def wanted_gradients(self) -> str:
        """What a model whose stock forces are not -dE/dx does: ``exact`` wherever the block asks for anything.

        A model takes ``angle_gradients`` or ``force_gradients``, never both.
        """
        written = self.angle_gradients or self.force_gradients
        return written or ("stock" if self.asks_for_nothing else "exact")

    def check(self) -> None:
        """Refuse combinations that contradict each other.

        Raises:
            UserError: an activation is named for a region of ``none``, a gain where no norms go, a region where nothing
                is inserted or the other way round, or dropout is no probability below 1.
        """
        if not 0 <= finite_number("model.dc.dropout", self.dropout) < 1:
            raise UserError(f"model.dc.dropout: got {self.dropout!r}, expected a probability in [0, 1), such as 0.1")
        if self.inserts and self.insert_region == "none":
            raise UserError(
                "model.dc.insert_region: 'none' leaves dropout and insert_norm nowhere to go; give output, full, paper "
                "or a list of patterns, or leave them out"
            )
        if not self.inserts and self.insert_region is not None:
            raise UserError(
                f"model.dc.insert_region: got {self.insert_region!r}, and there is nothing to insert; give dropout or "
                "insert_norm, or leave it out"
            )
        if self.norm_gain != "none" and self.denormalize == "none":
            raise UserError(
                f"model.dc: norm_gain {self.norm_gain!r} takes the place of norms, and denormalize 'none' leaves them "
                "in; set denormalize: batchnorm, layernorm or all, or leave norm_gain out"
            )
        if self.region == "none" and self.activation not in (None, "original"):
            raise UserError(
                f"model.dc: activation {self.activation!r} has nowhere to go with region 'none'; "
                "give region: paper, output, full or a list of patterns, or leave the activation out"
            )
