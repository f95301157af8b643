"""Add the coordinate interface of ase 3.23 and later to OptimizableBatch.

ase gets the coordinates, the gradient and the value of an optimizable as flat arrays, through abstract methods that
OptimizableBatch lacks. With current versions of ase it cannot be instantiated, and all relaxations fail. The method
converged also receives the gradient as a flat array.
"""

from __future__ import annotations

import textwrap

import plugin_source
from tree import Tree

PATH = "common/relaxation/optimizable.py"


def edit(tree: Tree) -> None:
    """Add the methods that the plugin adds at run time."""
    methods = textwrap.indent(
        plugin_source.methods("fairchem1/host_patches/relaxation_repairs.py", "relaxation_interface"), "    "
    )
    iterimages = "    def iterimages(self) -> Batch:\n"
    tree.replace(PATH, iterimages, f"{methods}\n{iterimages}")
    converged = "            max_forces = self.get_max_forces(forces)\n"
    tree.replace(PATH, converged, converged.replace("forces)", "forces.reshape(-1, 3))"))
