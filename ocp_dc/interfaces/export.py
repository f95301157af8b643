"""``ocp-dc export``: write a trained potential as a file that other programs run."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from ocp_dc.core.errors import UserError, unknown_name
from ocp_dc.interfaces.trained import load_trained

FORMATS = ("torchscript", "metatomic")


def export(checkpoint: str | Path, out: str | Path, format: str = "torchscript") -> str:
    """Write a trained potential to a file that runs without ocp_dc and fairchem, and return what was done in a line.

    Args:
        checkpoint: a checkpoint of fairchem 1 or 2 with a SchNet, PaiNN, DimeNet++ or GemNet-dT; it is read as data.
        out: the file to write, a ``.pt``; it must not exist.
        format: ``torchscript``, a function of edges for torch in Python and C++, or ``metatomic``, a model for the
            programs that metatomic connects, such as LAMMPS.

    Raises:
        UserError: ``out`` exists, the format is unknown or its package is missing, or the potential cannot be exported;
            the message says why.
    """
    out = Path(out)
    if format not in FORMATS:
        raise unknown_name("format", format, FORMATS)
    if out.suffix != ".pt":
        raise UserError(f"{out}: got the suffix {out.suffix!r}, expected .pt, by which programs know the file")
    if out.exists():
        raise UserError(f"{out}: exists; name a new file")
    if format == "metatomic" and importlib.util.find_spec("metatomic") is None:
        raise UserError("the format metatomic needs the package metatomic-torch; pip install 'ocp_dc[metatomic]'")
    trained = load_trained(checkpoint)
    if format == "metatomic":
        from ocp_dc.interfaces.metatomic import save_metatomic

        save_metatomic(trained, out)
    else:
        from ocp_dc.interfaces.torchscript import save_torchscript

        save_torchscript(trained, out)
    limit = trained.search.max_neighbors
    return (
        f"{out}: {trained.saved.model.title} as {format}, {len(trained.elements)} elements, cutoff "
        f"{trained.search.cutoff:g} Å, {f'the {limit} nearest neighbors' if limit > 0 else 'all neighbors'}"
    )
