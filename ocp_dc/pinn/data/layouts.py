"""The layouts of PDEBench's files, in one table by task.

Sources: arXiv 2210.07182; in the repository pdebench/PDEBench the writers ``data_gen/data_gen_NLE/Data_Merge.py``,
``data_gen/gen_{diff_sorp,diff_react,radial_dam_break}.py`` and ``data_gen/src/sim_radial_dam_break.py``, the reader
``models/pinn/utils.py`` and the list of files ``data_download/pdebench_data_urls.csv``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from ocp_dc.core.errors import unknown_name


@dataclasses.dataclass(frozen=True)
class Layout:
    """The layout of the file of one task.

    There are two kinds. Stacked (``grouped`` is False): a dataset `[samples, T, X]` for each field, with coordinates
    that all samples share; ``t-coordinate`` has T + 1 values. Grouped: a group for each sample, ``0000``, ``0001``,
    ..., with ``data`` `[T, X, fields]` or `[T, X, Y, fields]` and ``grid/t``, ``grid/x``, ``grid/y``.

    Args:
        task: the name of the task.
        file_name: the name of PDEBench's file.
        grouped: whether samples are groups.
        axes: ``t``, ``x`` and, in two dimensions, ``y``.
        fields: the task's fields, each with the name of its dataset in a stacked file; in a grouped file, where they
            are channels of ``data``, with an empty string.
        parameters: the coefficients in the file: attributes of a stacked file, or entries of ``sim`` in the attribute
            ``config`` (YAML) of a sample.
    """

    task: str
    file_name: str
    grouped: bool
    axes: tuple[str, ...]
    fields: Mapping[str, str]
    parameters: tuple[str, ...]

    def axis_key(self, axis: str) -> str:
        """Return the path of an axis: in the file, or in the group of a sample."""
        return f"grid/{axis}" if self.grouped else f"{axis}-coordinate"


_ALL = (
    Layout("advection", "1D_Advection_Sols_beta0.1.hdf5", False, ("t", "x"), {"u": "tensor"}, ("beta",)),
    Layout(
        "compressible_flow",
        "1D_CFD_Rand_Eta1.e-8_Zeta1.e-8_periodic_Train.hdf5",
        False,
        ("t", "x"),
        {"density": "density", "velocity": "Vx", "pressure": "pressure"},
        ("eta", "zeta"),
    ),
    Layout(
        "diffusion_sorption",
        "1D_diff-sorp_NA_NA.h5",
        True,
        ("t", "x"),
        {"u": ""},
        ("D", "por", "rho_s", "k_f", "n_f", "sol"),
    ),
    Layout(
        "diffusion_reaction", "2D_diff-react_NA_NA.h5", True, ("t", "x", "y"), {"u": "", "v": ""}, ("Du", "Dv", "k")
    ),
    # PDEBench's file contains only the depth, so the task is scored on h
    Layout(
        "shallow_water",
        "2D_rdb_NA_NA.h5",
        True,
        ("t", "x", "y"),
        {"h": ""},
        ("gravity", "dam_radius", "inner_height"),
    ),
)
FILE_LAYOUTS: Mapping[str, Layout] = {layout.task: layout for layout in _ALL}


def layout_of(task: str) -> Layout:
    """Return the layout of a task's file.

    Raises:
        UserError: there is no such task.
    """
    if task not in FILE_LAYOUTS:
        raise unknown_name("task", task, FILE_LAYOUTS)
    return FILE_LAYOUTS[task]


def sample_name(sample: int) -> str:
    """Return the name of a sample's group: ``0000``, ``0001``, ..."""
    return f"{sample:04d}"
