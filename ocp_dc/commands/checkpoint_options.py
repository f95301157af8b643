"""Arguments that the commands share that predict structures of a file."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ocp_dc.data.structures import ReadOptions
    from ocp_dc.evaluation.predictor import Predictor

CHECKPOINT = (
    "such as checkpoints/ID/best_checkpoint.pt or results/best_inference_ckpt.pt, a run's folder or its name, or "
    "STUDY:ARM for all runs of an arm of a study; several form an ensemble"
)


def add_checkpoint_options(parser: argparse.ArgumentParser) -> None:
    """Add the options with which a checkpoint predicts."""
    add = parser.add_argument
    add("--batch-size", type=int, default=32, metavar="N", help="structures per evaluation, at most (default: 32)")
    add("--cpu", action="store_true", help="use the CPU even if there is a GPU")
    add("--trust-module", action="append", default=[], metavar="M", help="run code of M where the checkpoint names it")


def add_read_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how a file of structures is read."""
    add = parser.add_argument
    add("--units", help="energy unit of the file: eV, meV, kcal/mol, kJ/mol, hartree or Ry (default: as it states, eV)")
    add("--length-units", metavar="U", help="unit of positions and cells: Å (default), bohr, nm or pm")
    add("--energy-key", metavar="KEY", help="name of the energies in the file, such as REF_energy")
    add("--forces-key", metavar="KEY", help="name of the forces in the file, such as REF_forces")
    add("--stress-key", metavar="KEY", help="name of the stresses in the file, such as REF_stress")
    add("--virial-key", metavar="KEY", help="name of virials in the file, -V times the stress, in place of stresses")
    add("--stress-units", metavar="U", help="unit of the stresses, such as GPa (default: energy over cubed length)")


def read_options(args: argparse.Namespace) -> ReadOptions:
    """Return the values of :func:`add_read_options`."""
    from ocp_dc.data.structures import ReadOptions

    return ReadOptions(
        units=args.units,
        length_units=args.length_units,
        energy_key=args.energy_key,
        forces_key=args.forces_key,
        stress_key=args.stress_key,
        virial_key=args.virial_key,
        stress_units=args.stress_units,
    )


def load(args: argparse.Namespace) -> Predictor:
    """Return the checkpoint, or the ensemble, that the arguments name."""
    from ocp_dc.hosts import load_predictor

    return load_predictor(args.checkpoint, args.cpu, args.trust_module)
