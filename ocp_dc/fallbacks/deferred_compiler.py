"""Import torch_geometric without ``torch._dynamo``, the compiler of torch, which takes longer to import than both.

``torch_geometric.isinstance`` imports it at the top, for a check of compiled models. torch imports it at the first
access to ``torch._dynamo``, so the check works without that line, too. It is left out when the module is compiled from
its source; files of torch_geometric are not changed, and where the source has no such line, nothing is.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

MODULE = "torch_geometric.isinstance"
COMPILER = "torch._dynamo"


def import_torch_geometric() -> None:
    """Import torch_geometric; nothing happens if it is imported."""
    sys.meta_path.insert(0, _Finder)
    try:
        import torch_geometric  # noqa: F401
    finally:
        sys.meta_path.remove(_Finder)


class _Finder:
    """Finds the one module, with a loader that leaves the line out."""

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name == MODULE else None
        if spec is not None and type(spec.loader) is SourceFileLoader:
            spec.loader = _Loader(spec.loader.name, spec.loader.path)
        return spec


class _Loader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        """Return the code of the module, compiled without the import."""
        tree = _WithoutImport().visit(ast.parse(self.get_data(self.path), self.path))
        return compile(tree, self.path, "exec")


class _WithoutImport(ast.NodeTransformer):
    def visit_Import(self, node: ast.Import) -> ast.stmt:
        """Replace ``import torch._dynamo`` by ``pass``."""
        is_compiler = [alias.name for alias in node.names] == [COMPILER]
        return ast.copy_location(ast.Pass(), node) if is_compiler else node
