"""Commands in the README and in docs/, with configs that an earlier command of the text writes."""

from __future__ import annotations

import re
from collections.abc import Iterable

INIT = re.compile(r"^ocp-dc init\b.*--out (\S+)(?:.*--model (\S+))?", re.MULTILINE)
HOME = {".yaml": "fairchem2", ".yml": "md17"}  # the configs that ship, for each host


def with_shipped_configs(line: str, texts: Iterable[str]) -> str:
    """Return a command with each config of ``ocp-dc init`` replaced by the one that ships for its model.

    Args:
        line: the command.
        texts: the texts in which ``ocp-dc init`` may make its folder.
    """
    for folder in {found[1] for text in texts for found in INIT.finditer(text)}:
        line = re.sub(
            rf"(?<=\s){re.escape(folder)}/(\w+)(\.ya?ml)(?=\s|$)", lambda name: f"{HOME[name[2]]}/{name[1]}-dc", line
        )
    return line
