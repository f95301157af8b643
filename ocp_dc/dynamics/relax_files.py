"""The files of a relaxation: relaxed structures and a table."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ase import Atoms
from ase.calculators.calculator import Calculator
from rich import box
from rich.table import Table
from tqdm import tqdm

from ocp_dc.core.errors import UserError
from ocp_dc.core.files import write_csv
from ocp_dc.dynamics.options import RelaxOptions, check_name
from ocp_dc.dynamics.relaxation import Relaxation, iter_relax
from ocp_dc.dynamics.trajectory import append_frame

TABLE = "relaxation.csv"
MOST_ROWS = 30  # of the table in the terminal


def relax_to_folder(
    structures: Mapping[int, Atoms],
    calculator: Calculator,
    out: str | Path,
    options: RelaxOptions | None = None,
    name: str = "relaxed.xyz",
    overwrite: bool = False,
    progress: bool = True,
) -> dict[int, Relaxation]:
    """Relax structures and write them with energy and forces, each when it is done, and a table.

    Args:
        structures: the structures by their number, which is ``frame`` in the table.
        calculator: energies, forces and, for a relaxed cell, stress.
        out: the folder.
        options: the options; None for the defaults.
        name: the file of the relaxed structures: ``NAME.xyz``, ``NAME.extxyz`` or ``NAME.traj``.
        overwrite: replace an earlier relaxation in the folder.
        progress: show a progress bar.

    Returns:
        The relaxations by number, also those that did not converge.

    Raises:
        UserError: the folder holds a relaxation, or see :func:`ocp_dc.dynamics.relaxation.iter_relax`.
    """
    check_name("structures", name)
    path, table = Path(out, name), Path(out, TABLE)
    before = [str(file) for file in (path, table) if file.exists()]
    if before and not overwrite:
        raise UserError(f"{' and '.join(before)}: there already; name another folder, or overwrite with --overwrite")
    found: dict[int, Relaxation] = {}
    results = iter_relax(list(structures.values()), calculator, options)
    try:
        for number in tqdm(structures, desc="relaxing", unit="structure", disable=None if progress else True):
            result = next(results)
            if not found:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.unlink(missing_ok=True)
            append_frame(path, result.atoms)
            found[number] = result
    finally:
        if found:
            write_csv(table, [_row(number, result) for number, result in found.items()])
    return found


def relax_table(found: Mapping[int, Relaxation]) -> Table:
    """Return the table for the terminal; of many structures only those that did not converge."""
    shown = {n: r for n, r in found.items() if len(found) <= MOST_ROWS or not r.converged}
    table = Table(box=box.SIMPLE_HEAVY)
    for heading in ("frame", "steps", "energy change\neV", "fmax\neV/Å", "volume change\n%", "converged"):
        table.add_column(heading, justify="right", overflow="fold")
    for number, result in shown.items():
        volume = "" if result.volume_change is None else f"{100 * result.volume_change:+.3f}"
        cells = (f"{result.energy_change:+.6f}", f"{result.fmax:.4g}", volume, "yes" if result.converged else "no")
        table.add_row(str(number), str(result.steps), *cells)
    return table


def _row(number: int, result: Relaxation) -> dict[str, object]:
    return {
        "frame": number,
        "steps": result.steps,
        "energy_eV": float(result.atoms.get_potential_energy()),
        "energy_change_eV": result.energy_change,
        "fmax_eV_A": result.fmax,
        "volume_change": "" if result.volume_change is None else result.volume_change,
        "converged": result.converged,
        "problem": result.problem or "",
    }
