"""Cache of the symbolic basis functions of DimeNet and DimeNet++: derived once a machine instead of once a model.

torch_geometric's ``SphericalBasisLayer`` derives its functions with sympy whenever a layer is built, which takes 13 to
20 seconds at the usual size. They depend on two numbers only. The expressions that sympy prints are kept as text, in
the process and on disk, and compiled to identical functions. A file is data: arithmetic on one variable, sines and
cosines are compiled, and anything else is refused. Where the cache cannot be used, the layer is built as
torch_geometric does.
"""

from __future__ import annotations

import ast
import functools
import importlib.metadata
import inspect
import json
import logging
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ocp_dc.core.caches import cache_folder
from ocp_dc.core.digests import text_digest
from ocp_dc.core.files import read_json, write_json

Function = Callable[[torch.Tensor], torch.Tensor]
Expressions = dict[str, list[str]]  # "angular" in theta, one an order, and "radial" in x, num_radial an order

# their versions and the two numbers determine the expressions
PACKAGES = ("numpy", "scipy", "sympy", "torch-geometric")
LONGEST_EXPRESSION = 10_000  # characters; that of order 10 has 700
HIGHEST_POWER = 100
CACHE = "basis"  # folder
VARIABLES = {"angular": "theta", "radial": "x"}
FUNCTIONS = {"sin": torch.sin, "cos": torch.cos}

# errors of files, and of text that was not written by this module
_TROUBLE = (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError, ImportError)
_memo: dict[tuple[int, int], tuple[list[Any], list[Any]]] = {}


def install() -> None:
    """Patch ``SphericalBasisLayer`` to take its functions from the cache; a second call changes nothing."""
    from torch_geometric.nn.models import dimenet

    layer_class: Any = dimenet.SphericalBasisLayer
    stock = layer_class.__init__
    if getattr(stock, "caches", False):
        return

    @functools.wraps(stock)
    def __init__(
        self: Any, num_spherical: int, num_radial: int, cutoff: float = 5.0, envelope_exponent: int = 5
    ) -> None:
        size = (num_spherical, num_radial)
        functions = _memo.get(size) or _from_disk(size, layer_class)
        if functions is None:
            stock(self, num_spherical, num_radial, cutoff, envelope_exponent)
            _to_disk(size, self)
        else:
            torch.nn.Module.__init__(self)
            self.num_spherical, self.num_radial, self.cutoff = num_spherical, num_radial, cutoff
            self.envelope = dimenet.Envelope(envelope_exponent)
            self.sph_funcs, self.bessel_funcs = (list(each) for each in functions)
        _memo[size] = (list(self.sph_funcs), list(self.bessel_funcs))

    __init__.caches = True  # type: ignore[attr-defined]
    layer_class.__init__ = __init__


def path_of(size: tuple[int, int]) -> Path:
    """Return the file for (num_spherical, num_radial) and the installed packages."""
    digest = text_digest(json.dumps(_key(size)))
    return cache_folder(CACHE) / f"spherical-{size[0]}-{size[1]}-{digest[:16]}.json"


def compile_expression(text: str, variable: str) -> Function:
    """Compile an expression in one variable to a function of a tensor.

    Args:
        text: numbers, the variable, ``+ - * /``, powers to whole numbers, ``sin`` and ``cos``.
        variable: name of the variable.

    Raises:
        ValueError: the text is too long, no expression, or holds anything else; nothing of it has run then.
    """
    if len(text) > LONGEST_EXPRESSION:
        raise ValueError(f"an expression of {len(text)} characters, at most {LONGEST_EXPRESSION} are read")
    try:
        body = ast.parse(text, mode="eval").body
        _check(body, variable)
        code = compile(f"lambda {variable}: {ast.unparse(body)}", "<basis>", "eval")
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"no expression: {error}") from error
    if not _depends(body, variable):
        raise ValueError(f"{text!r} does not depend on {variable}")
    # every node of it was checked; with no builtins torch could not import what it loads late from within the function
    return eval(code, dict(FUNCTIONS))  # noqa: S307


def _check(node: ast.AST, variable: str) -> None:
    """Refuse what is not arithmetic, and powers and functions of constants, which could compute without end."""
    parts: tuple[ast.expr, ...]
    match node:
        case ast.Constant(value=value) if type(value) in (int, float):
            parts = ()
        case ast.Name(id=name) if name == variable:
            parts = ()
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            parts = (operand,)
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div(), right=right):
            parts = (left, right)
        case ast.BinOp(left=base, op=ast.Pow(), right=ast.Constant(value=power)) if (
            type(power) is int and 0 <= power <= HIGHEST_POWER and _depends(base, variable)
        ):
            parts = (base,)
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in FUNCTIONS and _depends(
            argument, variable
        ):
            parts = (argument,)
        case _:
            raise ValueError(f"{ast.unparse(node)!r} has no place in a basis function")
    for part in parts:
        _check(part, variable)


def _depends(node: ast.AST, variable: str) -> bool:
    return any(isinstance(part, ast.Name) and part.id == variable for part in ast.walk(node))


def _key(size: tuple[int, int]) -> dict[str, Any]:
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {"format": 1, "num_spherical": size[0], "num_radial": size[1], **versions}


def _checksum(expressions: Expressions) -> str:
    return text_digest(json.dumps(expressions, sort_keys=True))


def _from_disk(size: tuple[int, int], layer_class: Any) -> tuple[list[Any], list[Any]] | None:
    """Return the functions of a layer, or None where the cache has none or is not valid."""
    try:
        if not path_of(size).exists():
            return None
        content = read_json(path_of(size), "remove it")
        expressions = content["expressions"]
        if content["key"] != _key(size) or content["sha256"] != _checksum(expressions):
            raise ValueError("it was written for another size or version, or is damaged")
        return _functions(size, expressions, layer_class)
    except _TROUBLE as error:
        logging.warning(f"the cached basis functions are not used, and derived again: {error}")
        return None


def _functions(size: tuple[int, int], expressions: Expressions, layer_class: Any) -> tuple[list[Any], list[Any]]:
    """Return angular and radial functions; order 0 is a constant, which torch_geometric keeps as a number."""
    constant, *angular = expressions["angular"]
    radial = expressions["radial"]
    if (len(angular) + 1, len(radial)) != (size[0], size[0] * size[1]):
        raise ValueError(f"{len(angular) + 1} angular and {len(radial)} radial functions for the size {size}")
    return (
        [functools.partial(layer_class._sph_to_tensor, float(constant))]
        + [compile_expression(text, VARIABLES["angular"]) for text in angular],
        [compile_expression(text, VARIABLES["radial"]) for text in radial],
    )


def _to_disk(size: tuple[int, int], layer: Any) -> None:
    """Write the expressions of a layer to the cache; where that fails, warn and go on."""
    try:
        constant, *angular = layer.sph_funcs
        expressions = {
            "angular": [repr(float(constant.args[0])), *map(_source, angular)],
            "radial": [_source(function) for function in layer.bessel_funcs],
        }
        _functions(size, expressions, type(layer))  # write only what can be read again
        content = {"key": _key(size), "sha256": _checksum(expressions), "expressions": expressions}
        write_json(path_of(size), content)
    except _TROUBLE as error:
        logging.warning(f"the basis functions are not cached, the next process derives them again: {error}")


def _source(function: Any) -> str:
    """Return the expression of a function that sympy's lambdify made: its one line ``return ...``."""
    body = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0].body  # type: ignore[attr-defined]
    if len(body) != 1 or not isinstance(body[0], ast.Return) or body[0].value is None:
        raise ValueError(f"{function!r} is not one expression")
    return ast.unparse(body[0].value)
