"""Compose configs of fairchem 2 by hydra, and turn the errors of hydra and OmegaConf into one message."""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import hydra
import yaml
from hydra.errors import HydraException, InstantiationException, MissingConfigException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ocp_dc.core.config_names import SUFFIXES, find_config
from ocp_dc.core.errors import DivergenceError, UserError, nearest, own_error
from ocp_dc.fairchem2.labels.resolvers import RESOLVERS, register_resolvers
from ocp_dc.labels import LabelOptions

EXPECTED = "a config of fairchem 2, such as fairchem2/schnet-dc"
OF_FAIRCHEM1 = ("includes", "trainer", "dataset", "optim", "loss_functions", "evaluation_metrics", "arms")  # keys
USERS_ERRORS = (TypeError, ValueError, AssertionError, KeyError, ImportError)  # of a constructor with wrong arguments
UNUSED = "Found unused keys in the config: "
NO_KEY = re.compile(r"Could not override '([^']+)'|Key '([^']+)' is not in struct")
NO_ARGUMENT = re.compile(r"(\w+)\.__init__\(\) got an unexpected keyword argument '(\w+)'")


def hydra_overrides(arguments: Sequence[str]) -> list[str]:
    """Return overrides in hydra's notation: ``--model.dc.region=full``, as of fairchem 1.10, sets or adds the key.

    >>> hydra_overrides(["epochs=3", "~model.dc", "--model.dc.region=full"])
    ['epochs=3', '~model.dc', '++model.dc.region=full']
    """
    return [re.sub(r"^--(?=[^-]+?=)", "++", argument) for argument in arguments]


def override(key: str, value: object) -> str:
    """Return an override with a quoted text as its value, such as a path.

    >>> override("data_dir", "my data")
    "data_dir='my data'"
    """
    escaped = str(value).replace("'", r"\'")
    return f"{key}='{escaped}'"


def find_fairchem2_config(name: str) -> Path:
    """Return the path of a config, given as a file or as the name of one that ships.

    Raises:
        UserError: there is none, or the file is something else, such as a checkpoint or a config of fairchem 1.10.
    """
    path = find_config(name, EXPECTED)
    if not path.is_file() or path.suffix not in SUFFIXES:
        raise UserError(f"{name}: {'a folder' if path.is_dir() else 'not a YAML file'}; expected {EXPECTED}")
    try:
        keys = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):  # hydra reports it
        return path
    if old := [key for key in OF_FAIRCHEM1 if isinstance(keys, dict) and key in keys and "runner" not in keys]:
        raise UserError(
            f"{name}: not a config of fairchem 2 (it has {', '.join(old)}, as configs of fairchem 1.10 and of studies "
            f"have); expected {EXPECTED}, or an environment with ocp_dc[fairchem1]"
        )
    return path


def refuse_recipes(recipes: Sequence[str]) -> None:
    """Refuse recipes, which are changes of configs of fairchem 1.10; raises UserError."""
    if recipes:
        raise UserError(
            f"--with {recipes[0]}: recipes change configs of fairchem 1.10; here give overrides, such as "
            "++model.dc.activation=irelu ++model.dc.region=output"
        )


def compose(path: Path, overrides: Sequence[str] = ()) -> DictConfig:
    """Return a config with its defaults and overrides; interpolations are not resolved.

    Raises:
        UserError: a file is missing or is not valid, or an override has no place.
    """
    with config_errors(path):
        return _compose(path, overrides)


def _compose(path: Path, overrides: Sequence[str]) -> DictConfig:
    with contextlib.ExitStack() as stack:
        if path.suffix == ".yml":  # hydra finds only .yaml; as in fairchem, such a config has no defaults beside it
            copy = Path(stack.enter_context(tempfile.TemporaryDirectory())) / f"{path.stem}.yaml"
            path = Path(shutil.copyfile(path, copy))
        stack.enter_context(hydra.initialize_config_dir(str(path.parent.absolute()), version_base="1.3"))
        return hydra.compose(config_name=path.name, overrides=list(overrides))


@contextlib.contextmanager
def config_errors(path: Path) -> Iterator[None]:
    """Turn errors of hydra, OmegaConf and fairchem about a config into UserErrors.

    Errors of ocp_dc within them are raised themselves.
    """
    try:
        yield
    except (UserError, DivergenceError):
        raise
    except (HydraException, MissingConfigException, OmegaConfBaseException, yaml.YAMLError, ValueError) as error:
        if (ours := own_error(error)) is not None:
            raise ours from error
        words = _words(error, path)
        if words is None:
            raise
        raise UserError(f"{path}: {words}") from error


@contextlib.contextmanager
def without_fits() -> Iterator[list[dict[str, Any]]]:
    """Put placeholders where labels would be fitted to data; the list receives the arguments of each fit."""
    asked: list[dict[str, Any]] = []

    def placeholder(name: str, folder: str, center: str = "none", scale: float | str = 1.0, reading: Any = None) -> Any:
        asked.append({"center": center, "scale": scale})
        LabelOptions.from_block(asked[-1])
        return {"dc_scale": 1.0, "dc_mean": 0.0}.get(name, OmegaConf.create([0.0]))

    register_resolvers({name: functools.partial(placeholder, name) for name in RESOLVERS})
    try:
        yield asked
    finally:
        register_resolvers()


def _words(error: BaseException, path: Path) -> str | None:
    """Return a message for the user; None for an error that is not about the config."""
    text = str(error)
    if isinstance(error, InstantiationException):
        cause = error.__cause__
        if cause is not None and not isinstance(cause, USERS_ERRORS):
            return None
        return f"{_in_one_line(text)}{_nearest_argument(text, path)}"
    if UNUSED in text:
        keys = re.findall(r"'([^']+)'", text.partition("}")[0])
        names = _keys(path)
        return f"unknown key {', '.join(sorted(keys))}.{nearest(keys[0], names)} Top-level keys are used as ${{KEY}}"
    if not isinstance(error, HydraException | MissingConfigException | OmegaConfBaseException | yaml.YAMLError):
        return None
    found = NO_KEY.search(text)
    if found is None:
        return _in_one_line(text)
    key = found[1] or found[2]
    return f"unknown key {key!r}.{nearest(key, _keys(path))} To add a key, write ++{key}=VALUE"


def _keys(path: Path) -> list[str]:
    """Return the dotted keys of a config without overrides; none if it cannot be composed."""
    try:
        return list(_dotted(OmegaConf.to_container(_compose(path, ())), ""))
    except Exception:  # the config itself is wrong
        return []


def _dotted(block: Any, prefix: str) -> Iterator[str]:
    for key, value in block.items() if isinstance(block, dict) else ():
        yield f"{prefix}{key}"
        yield from _dotted(value, f"{prefix}{key}.")


def _nearest_argument(text: str, path: Path) -> str:
    """Return the nearest argument of a class that got an unknown one, if the config names the class."""
    found = NO_ARGUMENT.search(text)
    names = re.findall(rf"[\w.]+\.{found[1]}\b", text) if found is not None else []
    if found is None or not names:
        return ""
    module, _, name = names[0].rpartition(".")
    try:
        arguments = inspect.signature(getattr(importlib.import_module(module), name)).parameters
    except (ImportError, AttributeError, ValueError):
        return ""
    return f".{nearest(found[2], arguments)}"


def _in_one_line(text: str) -> str:
    return " ".join(text.split())
