"""Write the patches next to this file, or with ``--check`` compare the existing files with the generated text.

A patch is made from its recipe: the docstring gives the reason, and ``edit`` changes an unmodified fairchem-core.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import sys
from pathlib import Path

from tree import Tree

HERE = Path(__file__).parent


def recipes() -> list[str]:
    """Return the names of the recipes; they begin with the number of the patch."""
    return sorted(path.stem for path in (HERE / "recipes").glob("p[0-9]*.py"))


def patch_name(recipe: str) -> str:
    """Return the file name of a recipe's patch, such as 0002-named-transforms.patch."""
    return recipe.removeprefix("p").replace("_", "-") + ".patch"


def generate(recipe: str) -> str:
    """Return the text of a patch."""
    module = importlib.import_module(f"recipes.{recipe}")
    tree = Tree()
    module.edit(tree)
    return f"{inspect.getdoc(module)}\n\n{tree.diff()}"


def main() -> None:
    """Write or check all patches; a check exits with status 1 if one differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="list the patches that differ, and write nothing")
    check = parser.parse_args().check
    patches = {patch_name(recipe): generate(recipe) for recipe in recipes()}
    on_disk = {path.name: path.read_text(encoding="utf-8") for path in HERE.glob("*.patch")}
    wrong = sorted(name for name in {*patches, *on_disk} if patches.get(name) != on_disk.get(name))
    if check:
        sys.exit(f"run patches/generate.py: {', '.join(wrong)}" if wrong else 0)
    for name in wrong:
        path = HERE / name
        path.write_text(patches[name], encoding="utf-8") if name in patches else path.unlink()
        print(name)


if __name__ == "__main__":
    main()
