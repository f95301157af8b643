"""Train some parameters of a model only, such as those of its head."""

from __future__ import annotations

import re
from collections.abc import Sequence

from torch import nn

from ocp_dc.core.errors import UserError, bad_value

HEAD = "head"
# the parameters of every model that turn features into energies and forces
HEAD_PATTERNS = (
    r"^lin[12]\.",  # SchNet
    r"^output_blocks\.",  # DimeNet++
    r"^out_(blocks|mlp_E|mlp_F|energy|forces)\.",  # GemNet-dT, GemNet-OC, PaiNN
    r"^(conv_to_fc|fcs|fc_out)\.",  # CGCNN
    r"^(lin|energy_mlp|decoder)\.",  # ForceNet
    r"^(energy|force)_block\.",  # SCN, eSCN, EquiformerV2
    r"^output_heads\.",  # hydras, such as eSEN, eSCN-MD and UMA
)


def train_only(model: nn.Module, trainable: str | Sequence[str], path: str) -> int:
    """Let gradients flow into some parameters only, and return the number of their values.

    Args:
        model: the model, without DistributedDataParallel.
        trainable: ``head``, or regular expressions for :func:`re.search` on the names of parameters.
        path: the key in the config, for messages.

    Raises:
        UserError: an expression is not valid, or no parameter or every one matches.
    """
    patterns = _patterns(trainable, path)
    named = list(model.named_parameters())
    chosen = [name for name, _ in named if any(pattern.search(name) for pattern in patterns)]
    if len(chosen) in (0, len(named)):
        which = "no parameter" if not chosen else "every parameter"
        tops = sorted({name.partition(".")[0] for name, _ in named})
        raise UserError(
            f"{path}: got {trainable!r}, which {which} matches; expected expressions that some match. The parts of the "
            f"model are {', '.join(tops)}"
        )
    for name, parameter in named:
        parameter.requires_grad_(name in chosen)
    return sum(parameter.numel() for name, parameter in named if name in chosen)


def compile_pattern(text: str, path: str) -> re.Pattern[str]:
    """Return a regular expression of a config.

    Args:
        text: the expression.
        path: its place in the config, for the message.

    Raises:
        UserError: the expression is not valid.
    """
    try:
        return re.compile(text)
    except (re.error, TypeError) as error:
        raise UserError(f"{path}: {text!r} is not a regular expression: {error}") from error


def _patterns(trainable: str | Sequence[str], path: str) -> list[re.Pattern[str]]:
    texts = HEAD_PATTERNS if trainable == HEAD else trainable
    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise bad_value(path, trainable, f"{HEAD!r}, or a list of regular expressions")
    return [compile_pattern(text, path) for text in texts]
