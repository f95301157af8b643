"""The arguments of classes and functions: kinds of values by annotation, and documentation by docstring."""

from __future__ import annotations

import inspect
import re
from typing import Any

KINDS = ("bool", "int", "float", "str", "dict", "list", "none")
# a line that begins the description of an argument, in the style of Google: "name (type, optional): words"
_ARGUMENT = re.compile(r"(\w+)(?: \([^)]*\))?: +(.*)")


def kinds_of(parameter: inspect.Parameter) -> list[str]:
    """Return the kinds of values that an argument takes, out of KINDS; empty if it may take others.

    They are those of its annotation, and of its default, which may be of a wider type.
    """
    kinds = [kind.strip().split("[")[0].lower() for kind in str(parameter.annotation).split("|")]
    if not set(kinds) <= set(KINDS):
        return []
    if isinstance(parameter.default, float):
        kinds.append("float")
    if parameter.default is None:
        kinds.append("none")
    return kinds


def argument_help(*documented: Any) -> dict[str, str]:
    """Return the descriptions of arguments in docstrings; of an argument in several, the first one.

    Args:
        documented: classes or functions; base classes of a class count too.
    """
    owners = [owner for each in documented for owner in (each.__mro__ if isinstance(each, type) else (each,))]
    found: dict[str, str] = {}
    for owner in owners:
        text = vars(owner).get("__doc__") if isinstance(owner, type) else owner.__doc__
        found = {**_arguments_section(inspect.cleandoc(text or "")), **found}
    return found


def _arguments_section(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    name = None
    for line in text.partition("Args:\n")[2].splitlines():
        if line and not line.startswith(" "):  # the next section
            break
        indent = len(line) - len(line.lstrip())
        matched = _ARGUMENT.fullmatch(line.strip()) if indent <= 4 else None
        if matched is not None:
            name = matched[1]
            found[name] = matched[2]
        elif name is not None and line.strip():
            found[name] += f" {line.strip()}"
    return {key: words.replace("``", "").rstrip(".") for key, words in found.items()}
