"""The options of a study's YAML file: defaults, documentation and valid values."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

from ocp_dc.core.errors import UserError
from ocp_dc.core.numbers import Number, count
from ocp_dc.core.options import option, parse
from ocp_dc.data.dataset_cache import KEYS
from ocp_dc.hosts import IN_WORDS

Changes = Mapping[str, Any]
ENGINES = ("fairchem", "pinn")
SAMPLES = ("ethanol", "slabs")
BUDGET_KINDS = ("epochs", "steps", "minutes")  # of budgets
SEEDS = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1, "uniqueItems": True}


@dataclasses.dataclass(frozen=True)
class DataOptions:
    """A data set of a study: a bundled sample, a folder or file, or the data set of the base config."""

    sample: str | None = option(None, help="a bundled sample, split as train, val and test say", choices=SAMPLES)
    path: str | None = option(
        None,
        help="a folder with train, val and test in it, as `ocp-dc prepare` makes it; a file or folder of structures, "
        "which is split as train, val and test say, by default 80/10/10; a file of PDEBench for pinn",
    )
    units: str | None = option(None, help="energy unit of a file of structures; see `ocp-dc prepare --help`")
    length_units: str | None = option(None, help="its length unit")
    energy_key: str | None = option(None, help="the name of its energies")
    forces_key: str | None = option(None, help="the name of its forces")
    stress_key: str | None = option(None, help="the name of its stresses")
    virial_key: str | None = option(None, help="the name of its virials")
    stress_units: str | None = option(None, help="its unit of stresses")
    configs: str | None = option(
        None,
        help="replaces {configs} in the bases: the folder with models at sizes for this data; default: the host's "
        "folder for small molecules, md17 or fairchem2",
    )
    train: int | None = option(None, help="training structures; default: all", number=count())
    val: int | None = option(None, help="validation structures", number=count())
    test: int | None = option(None, help="test structures", number=count())
    changes: Mapping[str, Any] | None = option(None, help="changes of every run on this data set")


@dataclasses.dataclass(frozen=True)
class BudgetOptions:
    """The budget of each run of a study: one of epochs, steps or minutes."""

    epochs: int | None = option(None, help="passes over the training set", number=count())
    steps: int | None = option(None, help="optimizer steps; of fairchem rounded up to whole epochs", number=count())
    minutes: float | None = option(
        None,
        help="wall-clock minutes of training; each arm gets the whole epochs that fit, from measured step times",
        number=Number(0, above=True),
    )
    train: int | None = option(None, help="training structures at most", number=count())
    val: int | None = option(None, help="validation structures at most", number=count())
    test: int | None = option(None, help="test structures at most", number=count())
    seeds: Sequence[int] | None = option(None, help="seeds that replace the study's", schema=SEEDS)

    def __str__(self) -> str:
        """Return the budget in words."""
        kind = next(name for name in BUDGET_KINDS if getattr(self, name) is not None)
        limits = [f"{getattr(self, n)} {n}" for n in ("train", "val", "test") if getattr(self, n) is not None]
        return f"{getattr(self, kind)} {kind}" + (f", at most {', '.join(limits)} structures" if limits else "")


@dataclasses.dataclass(frozen=True)
class SharedOptions:
    """The options that a study and a search have in common."""

    title: str = option("", help="one line")
    engine: str = option(
        "fairchem", help="the training program: fairchem's main, or `ocp-dc pinn train`", choices=ENGINES
    )
    host: str | None = option(
        None, help="the version of fairchem that trains; default: the one that is installed", choices=tuple(IN_WORDS)
    )
    base: str | None = option(
        None,
        help="the base config of every run, relative to this file; {model} and {configs} are replaced by names",
    )
    models: Sequence[str] | Mapping[str, Changes | None] | None = option(
        None, help="names that replace {model}, or a mapping of each to its changes"
    )
    data: Mapping[str, Mapping[str, Any] | None] | None = option(
        None,
        help="data sets by name; the first one is used unless --data names others; default: the bundled ethanol",
        block=DataOptions,
    )
    common: Mapping[str, Any] | None = option(None, help="changes of every run")
    arms: Mapping[str, Changes | None] | None = option(
        None,
        help="named arms with their changes, in a study besides those of the axes; a key `base` names another base, "
        "and a key `models` maps models to further changes",
    )
    budget: Mapping[str, Any] | None = option(
        None, help="the budget of each run: one of epochs, steps or minutes", block=BudgetOptions
    )


@dataclasses.dataclass(frozen=True)
class StudyOptions(SharedOptions):
    """A study, as its file describes it, with the values of one host."""

    question: str = option("", help="the question of the study, a sentence or two")
    axes: Mapping[str, Mapping[str, Changes | None]] | None = option(
        None, help="for each axis, its values by name with the changes of each; arms are all their combinations"
    )
    exclude: Sequence[Mapping[str, Any]] | None = option(
        None, help="combinations to leave out: {axis: value, model: name}, a value or a list of values"
    )
    baseline: str | None = option(None, help="the arm that others are compared with; default: the first")
    may_differ: Sequence[str] | None = option(
        None,
        help="differences to allow between arms although they are unequal: gradients (how forces are derived)",
    )
    seeds: Sequence[int] = option(
        (0, 1, 2), help="seeds of weights and order of data; each arm runs with each", schema=SEEDS
    )
    smoke: Mapping[str, Any] | None = option(None, help="the budget of --budget smoke", block=BudgetOptions)


def data_options(name: str, block: Mapping[str, Any] | None) -> DataOptions:
    """Read one entry of ``data``."""
    options = parse(DataOptions, block, f"data.{name}")
    if options.sample is not None and options.path is not None:
        raise UserError(f"data.{name}: got both sample and path, expected one of them")
    for key in KEYS:
        if getattr(options, key) is not None and options.path is None:
            raise UserError(
                f"data.{name}.{key}: says how a file is read, but there is no path; give path, or remove it"
            )
    return options


def budget_options(
    block: Mapping[str, Any] | None, path: str = "budget", kinds: Sequence[str] = BUDGET_KINDS
) -> BudgetOptions:
    """Read a budget.

    Args:
        block: the block.
        path: its place in the config, for messages.
        kinds: those of epochs, steps and minutes that the engine can count in.

    Raises:
        UserError: none or several of epochs, steps and minutes, one that the engine cannot count in, or a number that
            is too small.
    """
    options = parse(BudgetOptions, block, path)
    given = [key for key in BUDGET_KINDS if getattr(options, key) is not None]
    if len(given) != 1:
        raise UserError(
            f"{path}: got {' and '.join(given) or 'none'} of epochs, steps and minutes, expected exactly one, such as "
            f"budget: {{{kinds[0]}: 30}}"
        )
    if given[0] not in kinds:
        raise UserError(
            f"{path}: got {given[0]}, expected {' or '.join(kinds)}, which the study's engine counts in, such as "
            f"budget: {{{kinds[0]}: 500}}"
        )
    if options.seeds is not None:
        check_seeds(options.seeds, f"{path}.seeds")
    return options


def budget_from_text(text: str) -> Mapping[str, Any] | None:
    """Return the budget block for an argument of the command line; None for the study's own (``full``).

    >>> budget_from_text("8 epochs")
    {'epochs': 8}

    Raises:
        UserError: the text is neither full, smoke, nor a number of epochs, steps or minutes.
    """
    if text == "full":
        return None
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(epochs|steps|minutes)", text.strip())
    if found is None or ("." in found[1] and found[2] != "minutes"):
        raise UserError(
            f"--budget: got {text!r}, expected smoke, full, or a number of epochs, steps or minutes such as '8 epochs'"
        )
    return {found[2]: float(found[1]) if found[2] == "minutes" else int(found[1])}


def check_seeds(seeds: Any, path: str) -> None:
    """Check that seeds are a list of different whole numbers, at least 0.

    Raises:
        UserError: they are not.
    """
    whole = isinstance(seeds, Sequence) and all(isinstance(s, int) and not isinstance(s, bool) for s in seeds)
    if not whole or isinstance(seeds, str) or not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise UserError(
            f"{path}: got {seeds!r}, expected a list of different whole numbers, at least 0, such as [0, 1, 2]"
        )
