"""Options that commands share that read files of structures."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ocp_dc.data.splits import Size
    from ocp_dc.data.structures import ReadOptions


def add_format(parser: argparse.ArgumentParser) -> None:
    """Add the option for the layout of files."""
    parser.add_argument(
        "--format", choices=("md17", "rmd17", "ase", "lmdb"), help="layout of the files (default: by their suffix)"
    )


def add_read_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for what files do not say: units, and names of labels."""
    add = parser.add_argument
    add("--units", help="energy unit of the file: eV, meV, kcal/mol, kJ/mol, hartree or Ry (default: as it states, eV)")
    add(
        "--length-units", metavar="U", help="unit of positions and cells: Å (default), bohr, nm or pm; forces are per U"
    )
    add("--energy-key", metavar="KEY", help="name of the energies in the file, such as REF_energy")
    add("--forces-key", metavar="KEY", help="name of the forces in the file, such as REF_forces")
    add("--stress-key", metavar="KEY", help="name of the stresses in the file, positive under tension")
    add("--virial-key", metavar="KEY", help="name of virials in the file, -V times the stress, as MACE writes them")
    add("--stress-units", metavar="U", help="unit of stresses, such as GPa (default: energy over cubed length)")


def read_options(args: argparse.Namespace) -> ReadOptions:
    """Return the values of :func:`add_read_options`, and of :func:`add_format` where it was added."""
    from ocp_dc.data.structures import ReadOptions

    return ReadOptions(
        format=getattr(args, "format", None),
        units=args.units,
        length_units=args.length_units,
        energy_key=args.energy_key,
        forces_key=args.forces_key,
        stress_key=args.stress_key,
        virial_key=args.virial_key,
        stress_units=args.stress_units,
    )


def add_split_options(parser: argparse.ArgumentParser) -> None:
    """Add the options for the sizes and the seed of a random split."""
    add = parser.add_argument
    add("--train", metavar="N", help="training structures: a number, or a share such as 0.8 (default: all others)")
    add("--val", metavar="N", help="validation structures: a number or a share (default: 0.1)")
    add("--test", metavar="N", help="test structures: a number or a share (default: 0.1)")
    add("--seed", type=int, default=0, metavar="S", help="seed of the random split (default: 0)")


def split_sizes(args: argparse.Namespace) -> dict[str, Size]:
    """Return the sizes in the values of :func:`add_split_options`, by the names of the sets."""
    from ocp_dc.data.splits import parse_size

    sizes: dict[str, Any] = {name: getattr(args, name) for name in ("train", "val", "test")}
    return {name: parse_size(size, f"--{name}") for name, size in sizes.items()}
