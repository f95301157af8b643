"""Arguments of a command from a dataclass of options."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any, TypeVar

T = TypeVar("T")


def add_options(parser: argparse.ArgumentParser, cls: type) -> None:
    """Add an argument for each option of a dataclass whose fields :func:`ocp_dc.core.options.option` made."""
    for field in dataclasses.fields(cls):
        name, help = f"--{field.name.replace('_', '-')}", field.metadata["help"].replace("%", "%%")
        if isinstance(field.default, bool):
            parser.add_argument(name, action="store_true", help=help)
            continue
        more: dict[str, Any] = {"choices": field.metadata["choices"]} if field.metadata["choices"] else {"metavar": "X"}
        if isinstance(field.default, int | float):
            more["type"] = type(field.default)
        default = "" if field.default is None else f" (default: {field.default})"
        parser.add_argument(name, default=field.default, help=help + default, **more)


def options_of(args: argparse.Namespace, cls: type[T]) -> T:
    """Return the options from the arguments that :func:`add_options` added."""
    return cls(**{field.name: getattr(args, field.name) for field in dataclasses.fields(cls)})  # type: ignore[arg-type]
