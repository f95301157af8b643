"""YAML configs: one reader and one writer for every command.

``1e-3`` is a text, as in YAML 1.1 and fairchem: ``1.0e-3`` is a number.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import yaml

from ocp_dc.core.errors import UserError, bad_value

# kind of config: the keys that only this kind has, and the command that takes it
CONFIG_KINDS = {
    "study": ({"arms", "axes", "base", "baseline", "question"}, "a study; `ocp-dc study run` takes it"),
    "search": (
        {"arms", "base", "space", "objective", "trials", "rungs", "keep"},
        "a search; `ocp-dc study search` takes it",
    ),
    "pinn": (
        {"task", "network", "sampling", "loss_weights", "as_published"},
        "a physics-informed task; `ocp-dc pinn train` takes it",
    ),
    "run": (
        {"trainer", "model", "dataset", "outputs", "loss_functions", "evaluation_metrics", "logger"},
        "a run config of a potential; `ocp-dc main --config-yml` takes it",
    ),
}
# first bytes of files of other kinds
SIGNATURES = {
    b"PK\x03\x04": "a zip archive, such as a checkpoint (.pt) or an npz file",
    b"\x80": "a pickle, such as a checkpoint of an old torch",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a numpy array",
}
MOST_VALUES = 1_000_000  # with aliases expanded: 1 kB of YAML can expand to 1e9


class UniqueKeyLoader(yaml.SafeLoader):
    """YAML's safe loader that refuses a repeated key in a block."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        """Return a block as a dict.

        Raises:
            yaml.YAMLError: a key is repeated.
        """
        seen: set[Any] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                line = key_node.start_mark.line + 1
                raise yaml.YAMLError(f"the key {key!r} is repeated in one block, in line {line}")
            if isinstance(key, Hashable):
                seen.add(key)
        return super().construct_mapping(node, deep)


def read_yaml(path: str | Path, expected: str) -> dict[str, Any]:
    """Return the content of a YAML file, which must be a mapping.

    Args:
        path: the file.
        expected: what the file should be, for messages, such as ``a study such as configs/studies/coefficient.yml``.

    Raises:
        UserError: there is no such file, or it is a folder, of another kind, not YAML, not a mapping, or repeats a key.
    """
    path = Path(path)
    if path.is_dir():
        raise UserError(f"{path}: is a folder; expected {expected}")
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file; expected {expected}") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); expected {expected}") from error
    for signature, kind in SIGNATURES.items():
        if content.startswith(signature):
            raise UserError(f"{path}: is {kind}; expected {expected}")
    try:
        blocks = yaml.load(content.decode("utf-8"), Loader=UniqueKeyLoader)
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not text in UTF-8 ({error}); expected {expected}") from error
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{path}: is not YAML: {in_one_line(error)}; expected {expected}") from error
    if not isinstance(blocks, dict):
        got = "an empty file" if blocks is None else f"a {type(blocks).__name__} instead of blocks"
        raise UserError(f"{path}: got {got}; expected {expected}")
    if _count_values(blocks, {}) > MOST_VALUES:
        raise UserError(f"{path}: its aliases expand to more than {MOST_VALUES} values, or contain themselves")
    return blocks


def check_kind(blocks: Mapping[str, Any], kind: str, path: str | Path) -> None:
    """Check that a file is not meant for another command.

    Args:
        blocks: the content of the file.
        kind: ``run``, ``study``, ``search`` or ``pinn``.
        path: the file, for the message.

    Raises:
        UserError: its keys are those of another kind; the message names the command that takes it.
    """
    keys = {key for key in blocks if key != "task" or isinstance(blocks[key], str)}  # fairchem's task is a block
    matches = {name: len(known & keys) for name, (known, _) in CONFIG_KINDS.items()}
    likeliest = max(matches, key=lambda name: (matches[name], name == kind))
    if likeliest != kind:
        raise UserError(f"{path}: is {CONFIG_KINDS[likeliest][1]}")


def included_files(blocks: Mapping[str, Any], path: str | Path, example: str = "[_base.yml]") -> list[str]:
    """Return the files that a config names under its key ``includes``.

    Args:
        blocks: the content of the config.
        path: the config, for the message.
        example: a valid value, for the message.

    Raises:
        UserError: ``includes`` is not a list of texts.
    """
    names = blocks.get("includes", [])
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise bad_value(f"{path}: includes", names, f"a list of YAML files, such as {example}")
    return names


def yaml_text(blocks: Mapping[str, Any]) -> str:
    """Return a config as YAML, in UTF-8 and in the order of its keys."""
    return yaml.safe_dump(dict(blocks), sort_keys=False, allow_unicode=True)


def in_one_line(error: Exception) -> str:
    """Return the message of an error without line breaks."""
    return " ".join(str(error).split())


def _count_values(node: Any, counts: dict[int, float]) -> float:
    """Return the number of values with all aliases expanded; infinite if a block contains itself."""
    if not isinstance(node, dict | list):
        return 1
    if id(node) not in counts:
        counts[id(node)] = float("inf")  # until its children are counted
        children = node.values() if isinstance(node, dict) else node
        counts[id(node)] = 1 + sum(_count_values(child, counts) for child in children)
    return counts[id(node)]
