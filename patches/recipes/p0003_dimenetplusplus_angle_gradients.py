"""DimeNet++: an option to differentiate through the angles, and an explicit dimension of the cross product.

The positions are detached before the angles are computed, so that the forces are not the gradient of the energy: they
miss how the energy changes with the angles. exact_angle_gradients=True keeps the gradient; the default is as before,
since published models were trained so. Where three atoms are in line, the length of the cross product has no derivative
(autograd's second one is not a number), though the energy has: with exact gradients the square of 1e-4 Å^2 is added
under the root, which changes an angle of 0.01 by 1e-7.

torch.cross without a dimension takes the first one of size 3: with exactly three triplets that is the wrong one.
"""

from __future__ import annotations

from tree import Tree

PATH = "models/dimenet_plus_plus.py"

STOCK = """        # Calculate angles.
        pos_i = pos[idx_i].detach()
        pos_j = pos[idx_j].detach()
        if self.use_pbc:
            pos_ji, pos_kj = (
                pos[idx_j].detach() - pos_i + graph.offset_distances[idx_ji],
                pos[idx_k].detach() - pos_j + graph.offset_distances[idx_kj],
            )
        else:
            pos_ji, pos_kj = (
                pos[idx_j].detach() - pos_i,
                pos[idx_k].detach() - pos_j,
            )

        a = (pos_ji * pos_kj).sum(dim=-1)
        b = torch.cross(pos_ji, pos_kj).norm(dim=-1)
        angle = torch.atan2(b, a)
"""

CALL = """        angle = self.angles(pos, graph, idx_i, idx_j, idx_k, idx_kj, idx_ji)
"""

METHOD = '''    def angles(self, pos, graph, idx_i, idx_j, idx_k, idx_kj, idx_ji):
        """The angle between the edges of each triplet k->j->i, shape (num_triplets,)"""
        if not self.exact_angle_gradients:
            pos = pos.detach()
        pos_ji = pos[idx_j] - pos[idx_i]
        pos_kj = pos[idx_k] - pos[idx_j]
        if self.use_pbc:
            pos_ji = pos_ji + graph.offset_distances[idx_ji]
            pos_kj = pos_kj + graph.offset_distances[idx_kj]

        a = (pos_ji * pos_kj).sum(dim=-1)
        cross = torch.cross(pos_ji, pos_kj, dim=-1)
        if self.exact_angle_gradients:
            # the norm has no derivative at 0, where three atoms are in line
            b = (cross.square().sum(dim=-1) + COLLINEAR**2).sqrt()
        else:
            b = cross.norm(dim=-1)
        return torch.atan2(b, a)

'''

CONSTANT = """# added to the area that two edges span, where the angle is differentiated (squared Angstrom)
COLLINEAR = 1e-4


"""


def edit(tree: Tree) -> None:
    """Give both forwards one method for the angles."""
    head = "class InteractionPPBlock(nn.Module):\n"
    tree.replace(PATH, head, CONSTANT + head)
    tree.replace(PATH, STOCK, CALL, times=2)
    last = "        num_output_layers: int = 3,\n    ) -> None:\n        self.regress_forces = regress_forces\n"
    option = last.replace("    ) -> None", "        exact_angle_gradients: bool = False,\n    ) -> None")
    tree.replace(PATH, last, f"{option}        self.exact_angle_gradients = exact_angle_gradients\n")
    forward = "    @conditional_grad(torch.enable_grad())\n    def _forward(self, data):\n"
    tree.replace(PATH, forward, METHOD + forward)
