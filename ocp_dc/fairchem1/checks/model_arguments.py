"""Check the arguments of a model: types by its signature, ranges, and errors of its constructor."""

from __future__ import annotations

import contextlib
import inspect
import sys
import traceback
from collections.abc import Iterator, Mapping
from numbers import Real
from typing import Any

from fairchem.core.common.registry import registry

from ocp_dc.core.arguments import kinds_of
from ocp_dc.core.errors import UserError, bad_value
from ocp_dc.core.numbers import Number, count, yaml_hint

OURS = ("fairchem.core.models.", "ocp_dc.fairchem1.")  # models with the arguments in the table
ELSEWHERE = ("scale_file", "dc", "backbone", "heads")  # checked elsewhere
# Å: below, for example if given in nanometers, hardly any atoms have neighbors, and forces are zero; above, the radial
# functions are farther apart than atoms are
CUTOFF = Number(1, 100, unit="Å")
SHARE = Number(0, 1, below=True)
POSITIVE = Number(0, above=True)
RANGES = {
    **dict.fromkeys(("cutoff", "cutoff_qint", "cutoff_aeaint", "cutoff_aint", "max_radius"), CUTOFF),
    **dict.fromkeys(("alpha_drop", "drop_path_rate", "proj_drop"), SHARE),
    **dict.fromkeys(("distance_resolution", "basis_width_scalar", "avg_num_nodes", "avg_degree"), POSITIVE),
    # of SchNet's last layers half, and of its Gaussians the distance between two
    **dict.fromkeys(("hidden_channels", "num_gaussians"), count(2)),
    **dict.fromkeys(
        "num_before_skip num_after_skip num_concat num_atom num_output_afteratom num_atom_emb_layers "
        "num_global_out_layers num_output_layers depth_mlp_edge depth_mlp_node lmax mmax num_mlp_layers".split(),
        count(0),
    ),
    "num_taps": count(-1),
    "num_spherical": count(1, 20),  # deriving more basis functions takes hours; configs have 7
}
WORDS = {"bool": "true or false", "int": "a whole number", "float": "a finite number", "str": "a text"}


def check_arguments(model_class: type, block: Mapping[str, Any], path: str) -> None:
    """Check types and ranges of the arguments of fairchem's and ocp_dc's models; other models are not checked.

    Args:
        model_class: the class of a model, a backbone or a head.
        block: its arguments, and other keys, which are not checked.
        path: the place of the block in the config.

    Raises:
        UserError: an argument is of another type, or out of its range.
    """
    if not model_class.__module__.startswith(OURS):
        return
    for name, parameter in inspect.signature(model_class).parameters.items():
        if name in block and name not in ELSEWHERE:
            _check_type(block[name], parameter, f"{path}.{name}")
            if isinstance(block[name], Real) and not isinstance(block[name], bool):  # NaN too
                valid_numbers(parameter, isinstance(block[name], int)).check(block[name], f"{path}.{name}")


def check_saved_arguments(config: Mapping[str, Any], where: str) -> None:
    """Check the arguments in the config of a checkpoint like those of a user: the text ``"False"`` would count as true.

    Args:
        config: the config; its names are checked already, and none is imported here.
        where: the file, for messages.

    Raises:
        UserError: an argument is of another type, or out of its range.
    """
    model, old = config.get("model"), config.get("model_attributes")
    for block, path in _blocks({**old, "name": model} if isinstance(old, Mapping) else model, "model"):
        for key in ("name", "model", "module"):  # of a model, a backbone, a head
            found = _known_class(block.get(key))
            if found is not None:
                check_arguments(found, {k: v for k, v in block.items() if k != key}, f"{where}: {path}")


def _blocks(value: Any, path: str) -> Iterator[tuple[Mapping[str, Any], str]]:
    if isinstance(value, Mapping):
        yield value, path
        for key, part in value.items():
            yield from _blocks(part, f"{path}.{key}")


def _known_class(name: Any) -> type | None:
    if not isinstance(name, str):
        return None
    module, _, last = name.rpartition(".")
    found = registry.mapping["model_name_mapping"].get(name) or getattr(sys.modules.get(module), last, None)
    return found if isinstance(found, type) else None


def valid_numbers(parameter: inspect.Parameter, whole: bool) -> Number:
    """Return the valid values of an argument that is a number.

    Args:
        parameter: the argument.
        whole: whether the value is a whole number.
    """
    counts = str(parameter.annotation).split(" | ")[0] == "int"
    return RANGES.get(parameter.name, count() if whole and counts else Number())


def _check_type(value: Any, parameter: inspect.Parameter, path: str) -> None:
    kinds = kinds_of(parameter)
    if not kinds or (value is None and "none" in kinds):
        return
    fits = {
        "bool": isinstance(value, bool),
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": isinstance(value, Real) and not isinstance(value, bool),
        "str": isinstance(value, str),
        "dict": isinstance(value, Mapping),
        "list": isinstance(value, list | tuple),
        "none": False,
    }
    if not any(fits[kind] for kind in kinds):
        words = " or ".join(dict.fromkeys(WORDS.get(kind, f"a {kind}") for kind in kinds if kind != "none"))
        raise bad_value(path, value, words, mend=yaml_hint(value) if {"int", "float"} & set(kinds) else "")


@contextlib.contextmanager
def constructor_errors(block: Mapping[str, Any]) -> Iterator[None]:
    """Turn errors of a model's constructor into errors for the user.

    Args:
        block: the model's name and arguments.

    Raises:
        UserError: the model cannot be built; the message names the argument if the model can be built with its default.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # models raise errors of any kind
        text = " ".join(str(error).split()) or traceback.extract_tb(error.__traceback__)[-1].line  # of a bare assert
        why = f"{type(error).__name__}: {text}"
        arguments = {key: value for key, value in block.items() if key != "name"}
        found = registry.get_model_class(block["name"])
        names = [name for name, each in registry.mapping["model_name_mapping"].items() if each is found]
        name, culprit = (names or [block["name"]])[0], _culprit(found, arguments)
        if culprit is None:
            what = f"model {name}: cannot be built with these arguments"
        else:
            what = f"model.{culprit}: got {block[culprit]!r}, with which {name} cannot be built"
        raise UserError(f"{what} ({why}); compare with the configs that ship with ocp_dc") from error


def _culprit(found: type, arguments: Mapping[str, Any]) -> str | None:
    """Return the argument that prevents a model from being built, if it is a single one."""
    for name, parameter in inspect.signature(found).parameters.items():
        if name in arguments and parameter.default not in (parameter.empty, arguments[name]):
            with contextlib.suppress(Exception):
                found(**{key: value for key, value in arguments.items() if key != name})
                return name
    return None
