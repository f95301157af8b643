"""The ``dc:`` block of a model: its changes for derivative-constrained training."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from ocp_dc.core.errors import UserError
from ocp_dc.core.json_schema import Schema, any_of, choices
from ocp_dc.core.numbers import Number
from ocp_dc.core.options import option, parse
from ocp_dc.nn import activation_schema

REGION_NAMES = ("none", "output", "full", "paper")
ACCELERATIONS = ("auto", "off", "native", "compile")
# The key of the block in a config, for messages. A host that uses another key passes it as ``path``.
PATH = "dc"

Options = TypeVar("Options", bound="DCOptions")


def region_schema(*names: str) -> Schema:
    """Return the JSON Schema of a region that has one of these names, or is a list of regular expressions."""
    patterns = {"type": "array", "items": {"type": "string", "format": "regex"}, "minItems": 1}
    return any_of(choices(names), patterns)


@dataclasses.dataclass(frozen=True)
class DCOptions:
    """Options of the ``dc:`` block, as written: None means an absent key.

    A subclass declares the keys that only some models take, each with :func:`ocp_dc.core.options.option`.
    """

    activation: str | Mapping[str, Any] | None = option(
        None,
        help="name of the activation, or {name: irelu, coefficient: 0.5}; irelu if only a region is given",
        schema=activation_schema("original"),
    )
    region: str | Sequence[str] | None = option(
        None,
        help="none, output, full, paper, or a list of regular expressions (re.search on module paths); "
        "paper if only an activation is given",
        schema=region_schema(*REGION_NAMES),
    )
    elsewhere: str | Mapping[str, Any] = option(
        "original",
        help="the activation outside the region: original, or any activation",
        schema=activation_schema("original"),
    )
    denormalize: str = option(
        "none", help="normalization layers to remove", choices=("none", "batchnorm", "layernorm", "all")
    )
    norm_gain: str = option(
        "none",
        help="replacement of a removed norm: none, or fitted, a factor that is fitted when a training run starts",
        choices=("none", "fitted"),
    )
    dropout: float = option(
        0.0,
        help="the probability, in [0, 1), of dropout after each activation of insert_region; 0.0 for none",
        number=Number(0, 1, below=True, nullable=False),
    )
    insert_norm: str = option(
        "none",
        help="the norm after each activation of insert_region, before the dropout: none, or batchnorm (BatchNorm1d)",
        choices=("none", "batchnorm"),
    )
    insert_region: str | Sequence[str] | None = option(
        None,
        help="region of dropout and insert_norm: output (the default), full, paper, or a list of regular expressions",
        schema=region_schema(*REGION_NAMES[1:]),
    )
    accelerate: str | None = option(
        None,
        help="the forward pass: auto (the default if the block changes anything), off (the host's own), native "
        "(ocp_dc's, with the same results to rounding), or compile (native, compiled)",
        choices=ACCELERATIONS,
        schema=choices([*ACCELERATIONS, False]),  # YAML 1.1 reads off as false
    )

    @classmethod
    def from_block(cls: type[Options], block: Mapping[str, Any] | None, path: str = PATH) -> Options:
        """Return the options of a config's block; see :func:`ocp_dc.core.options.parse` for the errors."""
        if isinstance(block, Mapping) and block.get("accelerate") is False:  # YAML reads off as false
            block = {**block, "accelerate": "off"}
        return parse(cls, block, path)

    @property
    def resolved_activation(self) -> str | Mapping[str, Any]:
        """The activation of the region; ``original`` if no change is requested."""
        if self.activation is not None:
            return self.activation
        return "irelu" if self.region not in (None, "none") else "original"

    @property
    def resolved_region(self) -> str | Sequence[str]:
        """The region in which :attr:`resolved_activation` replaces the activations."""
        if self.region is not None:
            return self.region
        return "paper" if self.activation not in (None, "original") else "none"

    @property
    def has_swaps(self) -> bool:
        """Return whether the block changes any activation."""
        inside = self.resolved_region != "none" and self.resolved_activation != "original"
        return inside or self.elsewhere != "original"

    @property
    def has_insertions(self) -> bool:
        """Return whether the block inserts norms or dropout after activations."""
        return self.dropout != 0 or self.insert_norm != "none"

    @property
    def resolved_insert_region(self) -> str | Sequence[str]:
        """The region in which norms and dropout are inserted."""
        if not self.has_insertions:
            return "none"
        return "output" if self.insert_region is None else self.insert_region

    @property
    def is_noop(self) -> bool:
        """Return whether the block changes none of the stock model's layers."""
        return not self.has_swaps and self.denormalize == "none" and not self.has_insertions

    @property
    def is_stock(self) -> bool:
        """Return whether the block changes nothing: neither the layers nor the options that a subclass adds."""
        return self.is_noop

    @property
    def resolved_acceleration(self) -> str:
        """The value of ``accelerate``; if it is absent, ``auto`` if the block changes anything and ``off`` if not."""
        return self.accelerate or ("off" if self.is_stock else "auto")

    @property
    def resolved_extras(self) -> tuple[str, ...]:
        """The values of the keys that a subclass adds, with defaults filled in; without keys that change no result."""
        return ()

    def check(self, path: str = PATH) -> None:
        """Refuse combinations that contradict each other.

        Args:
            path: the key of the block in the config, for messages.

        Raises:
            UserError: there is an activation and the region is ``none``, a gain but no norm is removed, an insertion
                region but no insertion or the reverse.
        """
        if self.has_insertions and self.insert_region == "none":
            raise UserError(
                f"{path}.insert_region: 'none' leaves dropout and insert_norm nowhere to go; give output, full, paper "
                "or a list of patterns, or leave them out"
            )
        if not self.has_insertions and self.insert_region is not None:
            raise UserError(
                f"{path}.insert_region: got {self.insert_region!r}, and there is nothing to insert; give dropout or "
                "insert_norm, or leave it out"
            )
        if self.norm_gain != "none" and self.denormalize == "none":
            raise UserError(
                f"{path}: norm_gain {self.norm_gain!r} takes the place of norms, and denormalize 'none' leaves them "
                "in; set denormalize: batchnorm, layernorm or all, or leave norm_gain out"
            )
        if self.region == "none" and self.activation not in (None, "original"):
            raise UserError(
                f"{path}: activation {self.activation!r} has nowhere to go with region 'none'; "
                "give region: paper, output, full or a list of patterns, or leave the activation out"
            )
