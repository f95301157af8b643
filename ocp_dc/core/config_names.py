"""The configs that ship with the package, and how a command finds one by its name, such as ``md17/schnet-dc``."""

from __future__ import annotations

import difflib
import itertools
import re
import textwrap
from pathlib import Path
from typing import NamedTuple

import yaml

from ocp_dc.core.errors import UserError

_PACKAGE = Path(__file__).parents[1]
SUFFIXES = (".yml", ".yaml")  # of fairchem 1.10 and ours, and of fairchem 2
LONGEST_SUMMARY = 100  # characters


class ShippedConfig(NamedTuple):
    """A config that ships: its name, such as ``md17/schnet-dc.yml``, and a summary in one sentence."""

    name: str
    summary: str


def configs_folder() -> Path:
    """Return the folder of the configs that ship: ``ocp_dc/configs`` as installed, ``configs`` of a checkout."""
    installed = _PACKAGE / "configs"
    return installed if installed.is_dir() else _PACKAGE.parent / "configs"


def shipped_configs() -> list[ShippedConfig]:
    """Return every config that ships, by name, except those for inclusion in others, whose names begin with ``_``."""
    folder = configs_folder()
    paths = sorted(p for p in folder.glob("*/*") if p.suffix in SUFFIXES and not p.name.startswith("_"))
    return [ShippedConfig(path.relative_to(folder).as_posix(), _summary(path.read_text("utf-8"))) for path in paths]


def find_config(text: str | Path, expected: str) -> Path:
    """Return the file that a command line or another config means: a file on disk, or one that ships, by name.

    Args:
        text: a path, or the name of a config that ships: ``md17/schnet-dc.yml``, ``md17/schnet-dc`` or
            ``configs/md17/schnet-dc.yml``. A file on disk takes precedence.
        expected: what the file should be, for the message, such as ``a study such as studies/coefficient.yml``.

    Raises:
        UserError: there is no such file and no config of this name; the message has the nearest names.
    """
    path = Path(text)
    if path.exists():
        return path
    if (shipped := shipped_config(path)) is not None:
        return shipped
    names = _nearest_names(path)
    hint = f" Did you mean {' or '.join(names)}?" if names else ""
    raise UserError(f"{text}: no such file; expected {expected}. `ocp-dc configs` lists those that ship.{hint}")


def shipped_config(name: str | Path) -> Path | None:
    """Return the file of a config that ships, or None if none has this name; see :func:`find_config`."""
    path = Path(name)
    parts = path.parts[1:] if path.parts[:1] == ("configs",) else path.parts
    if path.is_absolute() or len(parts) != 2 or ".." in parts:
        return None
    found = configs_folder().joinpath(*parts)
    for place in (found, *(found.with_name(f"{found.name}{suffix}") for suffix in SUFFIXES)):
        if place.is_file():
            return place
    return None


def _nearest_names(path: Path) -> list[str]:
    """Return up to three names of configs that ship: with the same file name, or else with similar spelling."""
    names = [_without_suffix(config.name) for config in shipped_configs()]
    wanted = _without_suffix(path.as_posix().removeprefix("configs/"))
    same_file = [name for name in names if Path(name).name == Path(wanted).name]
    return same_file[:3] or difflib.get_close_matches(wanted, names, n=3, cutoff=0.7)


def _without_suffix(name: str) -> str:
    return name.removesuffix(".yml").removesuffix(".yaml")


def _summary(content: str) -> str:
    """Return the title of a study, or the first sentence of the comment at the top of a config."""
    title = (yaml.safe_load(content) or {}).get("title")
    if isinstance(title, str):
        return title
    lines = [line for line in content.splitlines() if not line.startswith("# @package")]  # a setting of hydra
    comment = itertools.takewhile(lambda line: line.startswith("#"), lines)
    sentence = re.split(r"(?<=\.)\s", " ".join(line.lstrip("# ") for line in comment), maxsplit=1)[0]
    return textwrap.shorten(sentence, LONGEST_SUMMARY, placeholder=" ...")
