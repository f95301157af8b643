"""The command line ``ocp-dc``; :mod:`ocp_dc.core.failures` handles its errors."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from ocp_dc import __version__
from ocp_dc.checkpoints.command import add_convert
from ocp_dc.core.errors import UserError
from ocp_dc.core.failures import exit_status
from ocp_dc.core.files import is_cut_off
from ocp_dc.core.search_path import share_with_children
from ocp_dc.pinn.commands import add_pinn

DEBUG = "--debug"
WITH_HELP = "change the config by a recipe such as dc/schnet, before overrides; may be given several times"
MAIN_HELP = "run fairchem's main with the plugin loaded: train, validate, predict, run-relaxations"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: the arguments without the name of the program; None takes those of this process.

    Returns:
        the exit status: 0, 1 for a training run that diverged, 2 for any other error, 3 for runs of a study that
        failed, 130 for Ctrl-C.
    """
    if arguments is None:  # this process is the command
        share_with_children()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    return exit_status(lambda: _run(arguments), arguments, debug=DEBUG in arguments)


def _run(arguments: list[str]) -> int:
    command = arguments[1:] if arguments[:1] == [DEBUG] else arguments
    if command[:1] == ["main"]:  # fairchem parses these itself, and has another --debug
        from ocp_dc.hosts import installed_host

        installed_host().main(command[1:])
        return 0
    args, rest = _parser().parse_known_args([each for each in arguments if each != DEBUG])
    if rest and not args.takes_overrides:
        name = " ".join([args.command, *([args.action] if "action" in args else [])])
        raise UserError(f"unknown arguments: {' '.join(rest)}; see `ocp-dc {name} --help`")
    args.overrides, args.arguments = rest, arguments
    return args.run(args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ocp-dc",
        description="Derivative-constrained training of interatomic potentials (energy and forces learned together), "
        "as a plugin for fairchem (the Open Catalyst project).",
        epilog="An error ends with one message. With --debug, anywhere in the command, or OCP_DC_DEBUG=1 its traceback "
        "is shown as well; in `ocp-dc main` fairchem's --debug also writes no files, `ocp-dc --debug main` does.",
    )
    # for the help only: it is removed before the rest is parsed
    parser.add_argument(DEBUG, action="store_true", help="show the traceback of an error")
    parser.add_argument("--version", action="version", version=f"ocp-dc {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    commands.add_parser("main", help=MAIN_HELP, add_help=False)
    _adder(
        commands, "configs", _configs, "list the configs that ship; every command takes them by name, from any folder"
    )

    add = _adder(
        commands, "prepare", _prepare, "turn structures with energies and forces into a data set that fairchem reads"
    )
    add(
        "src",
        nargs="+",
        help="an npz, extxyz, traj or db file, or 'download:revised ethanol' for a molecule of MD17; "
        "with --format ase also several files, or a folder of them",
    )
    add("out", type=Path, help="the folder to make, with train, val and test in it; it must not exist")
    add("--format", required=True, choices=("md17", "rmd17", "ase"), help="layout of the source")
    add("--units", help="energy unit of the source: eV, meV, kcal/mol, kJ/mol, hartree or Ry")
    add(
        "--length-units", metavar="U", help="unit of positions and cells: Å (default), bohr, nm or pm; forces are per U"
    )
    add("--energy-key", metavar="KEY", help="name of the energies in the source, such as REF_energy")
    add("--forces-key", metavar="KEY", help="name of the forces in the source, such as REF_forces")
    add("--train", type=int, required=True, metavar="N", help="number of training structures")
    add("--val", type=int, required=True, metavar="N", help="number of validation structures")
    add("--test", type=int, required=True, metavar="N", help="number of test structures")
    add("--seed", type=int, default=0, metavar="S", help="seed of the random split (default: 0)")
    add("--to", choices=("oc20", "aselmdb"), help="for fairchem 1, or for fairchem 2 (default: as is installed)")
    add("--edges", type=float, metavar="CUTOFF", help="with oc20: store the edges up to this length in Å")
    add("--max-neighbors", type=int, metavar="N", help="with --edges: edges to store of each atom (default: 50)")

    add = _adder(
        commands, "inspect", _inspect, "build a config's model and print what surgery would change", overrides=True
    )
    add("config", help="a config, or the name of one that ships; overrides such as --model.dc.region=full may follow")
    add("--with", dest="recipes", action="append", default=[], metavar="RECIPE", help=WITH_HELP)

    add = _adder(
        commands,
        "fit-scales",
        _fit_scales,
        "fit GemNet's scale factors for a config's surgery, before training",
        overrides=True,
    )
    add("config", help="a config, or the name of one that ships; overrides such as --dataset.train.src=DIR may follow")
    add("--with", dest="recipes", action="append", default=[], metavar="RECIPE", help=WITH_HELP)
    add("--out", type=Path, metavar="FILE", help="the JSON file to write (default: CONFIG-scales.json, here)")
    add("--batches", type=int, default=16, metavar="N", help="training batches to fit on (default: 16)")
    add("--cpu", action="store_true", help="use the CPU even if there is a GPU")

    add = _adder(
        commands, "evaluate", _evaluate, "errors of a checkpoint on a data set: table, CSV, JSON, parity plots"
    )
    add("checkpoint", type=Path, help="such as checkpoints/ID/best_checkpoint.pt, results/best_inference_ckpt.pt")
    add("data", type=Path, help="an LMDB (fairchem 1.10) or aselmdb (fairchem 2) file or folder, in eV and eV/Å")
    add("--out", type=Path, required=True, metavar="DIR", help="folder for evaluation.json, the tables and the plots")
    add("--batch-size", type=int, default=32, metavar="N", help="structures per evaluation (default: 32)")
    add("--cpu", action="store_true", help="use the CPU even if there is a GPU")
    add("--overwrite", action="store_true", help="replace an existing evaluation in DIR")
    add("--trust-module", action="append", default=[], metavar="M", help="run code of M where the checkpoint names it")

    study = commands.add_parser("study", help="ablation studies: run one, or report what it found")
    actions = study.add_subparsers(dest="action", required=True, metavar="run|report")
    add = _adder(actions, "run", _study_run, "train every arm of a study with every seed, and report")
    add("study", help="the study, such as studies/coefficient, which ships, or a file")
    add("--out", type=Path, required=True, metavar="DIR", help="its folder; runs that are finished there are kept")
    add("--budget", default="full", metavar="B", help="smoke, or such as '8 epochs', '500 steps', '3 minutes' (a run)")
    add("--data", nargs="+", default=(), metavar="D", help="data sets: names of the study's, FOLDER, or NAME=FOLDER")
    add("--models", nargs="+", default=(), metavar="M", help="models of the study's; all of them by default")
    add("--arms", nargs="+", default=(), metavar="A", help="arms of the study's beside the baseline; all by default")
    add("--seeds", nargs="+", default=(), type=int, metavar="S", help="seeds instead of the study's")
    add("--jobs", type=int, metavar="N", help="runs at a time (default: one per GPU, or per core)")
    add("--threads", type=int, metavar="N", help="threads of each run (default: 1 on a CPU)")
    add("--cpu", action="store_true", help="use the CPU even if there is a GPU")
    add("--dry-run", action="store_true", help="check the study, list its runs and start none")
    add("--submit", nargs="*", metavar="KEY=VALUE", help="submit jobs to Slurm: slurm_partition=gpu timeout_min=600")
    add = _adder(actions, "report", _study_report, "print and write the report of a study, finished or not")
    add("out", type=Path, help="the study's folder")

    add_convert(commands, _adder)
    add_pinn(commands, _adder)
    add = _adder(
        commands, "demo", _demo, "train SchNet on the bundled sample, stock and derivative-constrained, and compare"
    )
    add("--out", type=Path, default=Path("demo"), metavar="DIR", help="folder to work in (default: demo)")
    add("--epochs", type=int, default=20, metavar="N", help="epochs of each training run (default: 20)")
    return parser


def _adder(
    commands: argparse._SubParsersAction, name: str, run: Callable, help: str, overrides: bool = False
) -> Callable:
    # abbreviations would take --see=3, a mistyped override, for --seed
    parser = commands.add_parser(name, help=help, description=f"{help[0].upper()}{help[1:]}.", allow_abbrev=False)
    parser.set_defaults(run=run, takes_overrides=overrides)
    return parser.add_argument


def _configs(args: argparse.Namespace) -> int:
    from ocp_dc.core.config_names import shipped_configs

    for config in shipped_configs():
        print(f"{config.name:34}  {config.summary}")
    return 0


def _prepare(args: argparse.Namespace) -> int:
    from ocp_dc.data.prepare import prepare
    from ocp_dc.data.summary_table import summary_table

    description = prepare(
        args.src,
        args.out,
        format=args.format,
        units=args.units,
        length_units=args.length_units,
        energy_key=args.energy_key,
        forces_key=args.forces_key,
        train=args.train,
        val=args.val,
        test=args.test,
        seed=args.seed,
        to=args.to,
        edges=args.edges,
        max_neighbors=args.max_neighbors,
    )
    counts = ", ".join(f"{name} {count}" for name, count in description["counts"].items())
    print(f"{summary_table(description)}\n{args.out}: {counts} structures, energies in eV, forces in eV/Å")
    return 0


def _inspect(args: argparse.Namespace) -> int:
    from ocp_dc.hosts import installed_host

    print(installed_host().inspect(args.config, args.overrides, args.recipes))
    return 0


def _fit_scales(args: argparse.Namespace) -> int:
    from ocp_dc.hosts import installed_host

    out = args.out or Path(f"{Path(args.config).stem}-scales.json")
    print(installed_host().fit_scales(args.config, out, args.overrides, args.recipes, args.batches, args.cpu))
    print(f"written to {out}; train with --model.scale_file={out}")
    return 0


def _evaluate(args: argparse.Namespace) -> int:
    from ocp_dc.evaluation.report import write_report
    from ocp_dc.evaluation.tables import print_errors
    from ocp_dc.hosts import host_for

    before = args.out / "evaluation.json"
    if before.exists() and not args.overwrite and not is_cut_off(before):
        raise UserError(f"{args.out}: holds an evaluation already; name another folder, or give --overwrite")
    predictions = host_for(args.checkpoint).predict_labels(
        args.checkpoint, args.data, batch_size=args.batch_size, cpu=args.cpu, trust_modules=args.trust_module
    )
    metrics = write_report(
        predictions, args.out, title=f"{args.checkpoint.name} on {args.data}", overwrite=args.overwrite
    )
    print_errors(metrics, title=f"{args.checkpoint} on {args.data}")
    print(f"written to {args.out}")
    return 0


def _study_run(args: argparse.Namespace) -> int:
    from ocp_dc.study.commands import run_study
    from ocp_dc.study.plan import Choices

    return run_study(
        args.study,
        args.out,
        Choices(args.budget, args.data, args.models, args.arms, args.seeds),
        command=shlex.join(["ocp-dc", *args.arguments]),
        jobs=args.jobs,
        threads=args.threads,
        cpu=args.cpu,
        dry_run=args.dry_run,
        submit=args.submit,
    )


def _study_report(args: argparse.Namespace) -> int:
    from ocp_dc.study.commands import report_study

    report_study(args.out)
    return 0


def _demo(args: argparse.Namespace) -> int:
    from ocp_dc.demo import demo

    demo(args.out, epochs=args.epochs)
    return 0
