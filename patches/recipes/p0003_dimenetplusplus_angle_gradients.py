"""Add an option to DimeNet++ to differentiate through the angles, and set the dimension of the cross product.

DimeNet++ detaches the positions before it computes the angles. Its forces therefore lack the contribution of the angles
and are not the gradient of the energy. exact_angle_gradients=True keeps the gradient. The default does not, as
published models were trained without it. If three atoms are collinear, the length of the cross product is not
differentiable (autograd's second derivative is NaN), although the energy is. With exact gradients, the square of
1e-4 Å^2 is added under the root, which changes an angle of 0.01 rad by 1e-7 rad.

torch.cross without a dimension uses the first dimension of size 3, which is wrong if there are exactly three triplets.
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
        """Return the angle between the edges of each triplet k->j->i, shape (num_triplets,)"""
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
            # the norm is not differentiable at 0, where three atoms are collinear
            b = (cross.square().sum(dim=-1) + COLLINEAR**2).sqrt()
        else:
            b = cross.norm(dim=-1)
        return torch.atan2(b, a)

'''

CONSTANT = """# regularizes the area spanned by two edges if the angle is differentiated (squared Angstrom)
COLLINEAR = 1e-4


"""


def edit(tree: Tree) -> None:
    """Compute the angles of both forward methods in one new method."""
    head = "class InteractionPPBlock(nn.Module):\n"
    tree.replace(PATH, head, CONSTANT + head)
    tree.replace(PATH, STOCK, CALL, times=2)
    last = "        num_output_layers: int = 3,\n    ) -> None:\n        self.regress_forces = regress_forces\n"
    option = last.replace("    ) -> None", "        exact_angle_gradients: bool = False,\n    ) -> None")
    tree.replace(PATH, last, f"{option}        self.exact_angle_gradients = exact_angle_gradients\n")
    forward = "    @conditional_grad(torch.enable_grad())\n    def _forward(self, data):\n"
    tree.replace(PATH, forward, METHOD + forward)
