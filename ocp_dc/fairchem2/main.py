"""``ocp-dc main``: fairchem 2's main with configs by name, one message for an error, and its exit status."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from fairchem.core import _cli
from fairchem.core.common import distutils
from omegaconf import DictConfig, OmegaConf
from torch.distributed.checkpoint.api import CheckpointException

import ocp_dc.fairchem2.job_output  # noqa: F401 # for ranks and jobs
from ocp_dc.core.errors import UserError
from ocp_dc.fairchem2.compose import compose, config_errors, find_fairchem2_config, hydra_overrides
from ocp_dc.fairchem2.terminal_records import HIDDEN, SHOWN
from ocp_dc.fairchem2.train.callback import RunCallback
from ocp_dc.fairchem2.value_check import check_config
from ocp_dc.training.output import add_output_options, run_output, show_everything

DESCRIPTION = (
    "Run fairchem 2's main: train or evaluate as a config says. Results go to RUN_DIR/ID/results, checkpoints to "
    "RUN_DIR/ID/checkpoints; ID is the time, or job.timestamp_id. A run that is started again with its job.run_dir and "
    "job.timestamp_id resumes where it stopped."
)
EPILOG = (
    "Anything in the config can be changed on the command line: epochs=50 data_dir=data/ethanol "
    "++model.dc.region=full. Example: ocp-dc main -c fairchem2/schnet-dc data_dir=data/ethanol job.run_dir=runs "
    "++job.timestamp_id=first. Configs that ship are found by name from any folder; `ocp-dc configs` lists them."
)

OF_FAIRCHEM1 = (
    "--mode",
    "--config-yml",
    "--identifier",
    "--timestamp-id",
    "--run-dir",
    "--checkpoint",
    "--cpu",
    "--seed",
)


def main_parser() -> argparse.ArgumentParser:
    """Return the parser of fairchem's command line; overrides are left to hydra."""
    parser = argparse.ArgumentParser("ocp-dc main", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("-c", "--config", required=True, help="a config, or the name of one that ships")
    add_output_options(parser)
    return parser


def main(arguments: Sequence[str]) -> None:
    """Run fairchem's main.

    Args:
        arguments: ``-c CONFIG``, and overrides in hydra's notation.

    Raises:
        UserError: a mistake in the command line, the config or a file that it names.
        DivergenceError: a loss or a gradient is not finite.
    """
    if old := [each for each in arguments if each.partition("=")[0] in OF_FAIRCHEM1]:
        raise UserError(
            f"{old[0]}: an argument of fairchem 1.10, and fairchem 2 is installed; expected -c CONFIG and overrides, "
            "such as: ocp-dc main -c fairchem2/schnet-dc data_dir=data/ethanol epochs=50 job.run_dir=runs"
        )
    args, rest = main_parser().parse_known_args(list(arguments))
    with run_output(args.output, HIDDEN, SHOWN):
        _run(find_fairchem2_config(args.config), hydra_overrides(rest))


def _run(path: Path, overrides: list[str]) -> None:
    config = compose(path, overrides)
    check_config(config)
    if not _has_run_callback(config):
        show_everything()  # such a run has no other output
    try:
        with config_errors(path):
            _cli.main(argparse.Namespace(config=str(path)), overrides)
    except CheckpointException as error:
        reason = next(iter(error.failures.values()))[0]
        raise UserError(
            f"the checkpoint from which this run resumes does not fit the config ({reason}); give a new run its own "
            "++job.timestamp_id=NAME, or resume with the config that the run began with"
        ) from error
    finally:
        distutils.cleanup()


def _has_run_callback(config: DictConfig) -> bool:
    """Return whether a run shows its progress by the callback of this package."""
    path = f"{RunCallback.__module__}.{RunCallback.__qualname__}"
    callbacks = OmegaConf.select(config, "runner.callbacks", default=None) or ()
    return any(each.get("_target_") == path for each in callbacks if isinstance(each, DictConfig))
