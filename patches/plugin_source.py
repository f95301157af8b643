"""Parts of the plugin's source for the patches, so that common code is written once."""

from __future__ import annotations

import ast
import re
import textwrap
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "ocp_dc"


def text(path: str) -> str:
    """Return a file of ocp_dc with Python's ValueError instead of the errors of ocp_dc."""
    source = (PACKAGE / path).read_text(encoding="utf-8")
    source = re.sub(r"^from ocp_dc\.core\.errors import .+\n\n?", "", source, flags=re.MULTILINE)
    source = re.sub(
        r"unknown_name\(\"(\w+)\", (\w+), (\w+)\)",
        r"""ValueError(f"unknown \1 {\2!r}: expected one of {', '.join(\3)}")""",
        source,
    )
    source = source.replace("UserError", "ValueError")
    if "ocp_dc.core.errors" in source or "unknown_name" in source:
        raise SystemExit(f"{path}: an error of ocp_dc is left in\n{source}")
    return re.sub(r"\n{4,}", "\n\n\n", source)


def function(path: str, name: str) -> str:
    """Return the source of a function of ocp_dc."""
    source = (PACKAGE / path).read_text(encoding="utf-8")
    return ast.get_source_segment(source, _definition(source, name)) or ""


def body(path: str, name: str) -> str:
    """Return the body of a function of ocp_dc without its docstring, and not indented."""
    source = (PACKAGE / path).read_text(encoding="utf-8")
    statements = _definition(source, name).body[1:]
    lines = source.splitlines()[statements[0].lineno - 1 : statements[-1].end_lineno]
    return textwrap.dedent("\n".join(lines))


def methods(path: str, name: str) -> str:
    """Return the lambdas of a dictionary within a function of ocp_dc as methods of a class, one per key."""
    source = (PACKAGE / path).read_text(encoding="utf-8")
    table = next(node for node in ast.walk(_definition(source, name)) if isinstance(node, ast.Dict))
    found = []
    for key, value in zip(table.keys, table.values, strict=True):
        assert isinstance(key, ast.Constant), "the keys of the table are constants"
        assert isinstance(key.value, str), "and names"
        assert isinstance(value, ast.Lambda), "the values of the table are lambdas"
        found.append(f"def {key.value}({ast.unparse(value.args)}):\n    return {ast.unparse(value.body)}\n")
    return "\n".join(found)


def _definition(source: str, name: str) -> ast.FunctionDef:
    return next(node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef) and node.name == name)
