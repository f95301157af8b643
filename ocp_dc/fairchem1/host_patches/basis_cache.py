"""Cache the symbolic basis functions of DimeNet and DimeNet++: derive them once per machine, not once per model.

torch_geometric's ``SphericalBasisLayer`` derives its functions with sympy whenever a layer is built, which takes 13 to
20 seconds at the usual size. They depend on only two numbers. The expressions that sympy prints are kept as text, in
the process and on disk, and compiled again to the same functions. A cache file is data: it may hold arithmetic on one
variable, sines and cosines; anything else is rejected. If the cache cannot be used, the layer is built as in
torch_geometric.
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
Expressions = dict[str, list[str]]  # "angular" in theta, one per order; "radial" in x, num_radial per order

# packages on whose versions the printed expressions depend, besides the two numbers
PACKAGES = ("numpy", "scipy", "sympy", "torch-geometric")
LONGEST_EXPRESSION = 10_000  # characters; the expression of order 10 has 700
HIGHEST_POWER = 100
CACHE = "basis"  # folder
VARIABLES = {"angular": "theta", "radial": "x"}
FUNCTIONS = {"sin": torch.sin, "cos": torch.cos}

# errors of unreadable files and of content that ocp_dc did not write
_CACHE_ERRORS = (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError, ImportError)
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


def cache_file(size: tuple[int, int]) -> Path:
    """Return the file for (num_spherical, num_radial) and the installed packages."""
    digest = text_digest(json.dumps(_key(size)))
    return cache_folder(CACHE) / f"spherical-{size[0]}-{size[1]}-{digest[:16]}.json"


def compile_expression(text: str, variable: str) -> Function:
    """Compile an expression in one variable to a function of a tensor.

    Args:
        text: numbers, the variable, ``+ - * /``, powers to whole numbers, ``sin`` and ``cos``.
        variable: name of the variable.

    Raises:
        ValueError: the text is too long, is not an expression, or holds anything else; none of it has been run.
    """
    if len(text) > LONGEST_EXPRESSION:
        raise ValueError(f"an expression of {len(text)} characters, expected at most {LONGEST_EXPRESSION}")
    try:
        body = ast.parse(text, mode="eval").body
        _check(body, variable)
        code = compile(f"lambda {variable}: {ast.unparse(body)}", "<basis>", "eval")
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"not an expression: {error}") from error
    if not _depends(body, variable):
        raise ValueError(f"{text!r} does not depend on {variable}")
    # every node was checked; builtins stay available because torch imports some modules only when the function runs
    return eval(code, dict(FUNCTIONS))  # noqa: S307


def _check(node: ast.AST, variable: str) -> None:
    """Reject anything but arithmetic, and powers and functions of constants, which could take forever to compute."""
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
            raise ValueError(f"{ast.unparse(node)!r} is not allowed in a basis function")
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
    """Return the functions of a layer, or None if the cache has none or its file is not valid."""
    try:
        if not cache_file(size).exists():
            return None
        content = read_json(cache_file(size), "remove it")
        expressions = content["expressions"]
        if content["key"] != _key(size) or content["sha256"] != _checksum(expressions):
            raise ValueError("the file belongs to another version or size, or it is damaged")
        return _functions(size, expressions, layer_class)
    except _CACHE_ERRORS as error:
        logging.warning(f"the cached basis functions cannot be used and are derived again: {error}")
        return None


def _functions(size: tuple[int, int], expressions: Expressions, layer_class: Any) -> tuple[list[Any], list[Any]]:
    """Return angular and radial functions; torch_geometric stores the angular one of order 0 as a number."""
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
    """Write the expressions of a layer to the cache; log a warning and continue if that fails."""
    try:
        constant, *angular = layer.sph_funcs
        expressions = {
            "angular": [repr(float(constant.args[0])), *map(_source, angular)],
            "radial": [_source(function) for function in layer.bessel_funcs],
        }
        _functions(size, expressions, type(layer))  # write only what can be read back
        content = {"key": _key(size), "sha256": _checksum(expressions), "expressions": expressions}
        write_json(cache_file(size), content)
    except _CACHE_ERRORS as error:
        logging.warning(f"the basis functions could not be cached; the next process derives them again: {error}")


def _source(function: Any) -> str:
    """Return the expression of a function made by sympy's lambdify: its single statement ``return ...``."""
    body = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0].body  # type: ignore[attr-defined]
    if len(body) != 1 or not isinstance(body[0], ast.Return) or body[0].value is None:
        raise ValueError(f"{function!r} is not a single expression")
    return ast.unparse(body[0].value)
