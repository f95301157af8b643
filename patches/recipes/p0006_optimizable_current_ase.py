"""OptimizableBatch: the coordinate interface of ase 3.23 and later.

ase asks an optimizable for its coordinates, gradient and value as flat arrays, through abstract methods that
OptimizableBatch does not have: it cannot be made with a current ase, and every relaxation fails. converged gets the
gradient as a flat array, too.
"""

from __future__ import annotations

import textwrap

import ours
from tree import Tree

PATH = "common/relaxation/optimizable.py"


def edit(tree: Tree) -> None:
    """Add the methods that the plugin sets at run time."""
    methods = textwrap.indent(
        ours.methods("fairchem1/host_patches/relaxation_repairs.py", "relaxation_interface"), "    "
    )
    iterimages = "    def iterimages(self) -> Batch:\n"
    tree.replace(PATH, iterimages, f"{methods}\n{iterimages}")
    converged = "            max_forces = self.get_max_forces(forces)\n"
    tree.replace(PATH, converged, converged.replace("forces)", "forces.reshape(-1, 3))"))
