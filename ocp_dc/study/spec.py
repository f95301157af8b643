"""Read the YAML file of a study, and combine its axes into arms."""

from __future__ import annotations

import dataclasses
import itertools
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ocp_dc.core.config_names import find_config
from ocp_dc.core.errors import UserError, bad_value, unknown_name
from ocp_dc.core.options import check_containers, check_keys, parse
from ocp_dc.core.yaml_config import check_kind, included_files, read_yaml
from ocp_dc.study.host_values import choose_host_values
from ocp_dc.study.options import StudyOptions, check_seeds

MODEL = "model"  # name of the axis of models in `exclude`
BY_MODEL = "models"  # key of an arm: further changes by model
EXPECTED = "a study such as configs/studies/coefficient.yml"
UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")  # categories: control, surrogate, ends of lines and paragraphs


@dataclasses.dataclass(frozen=True)
class ArmSpec:
    """One arm of a study, as its file describes it.

    Args:
        name: name of the arm.
        changes: changes of the base config in order, each with its place in the file.
        base: the base config, if it differs from the study's.
        by_model: changes of the base config after the others, by model.
        values: value of the arm on each axis.
    """

    name: str
    changes: tuple[tuple[str, Mapping[str, Any]], ...]
    base: str | None = None
    values: Mapping[str, str] = dataclasses.field(default_factory=dict)
    by_model: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)

    def changes_of(self, model: str) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        """Return the changes for a model in order, each with its place in the file."""
        own = self.by_model.get(model)
        return (*self.changes, *([(f"arms.{self.name}.models.{model}", own)] if own else []))


@dataclasses.dataclass(frozen=True)
class Study:
    """A study: its file, options, models with their changes, arms, and the name of the baseline arm."""

    path: Path
    options: StudyOptions
    models: Mapping[str, Mapping[str, Any]]
    arms: tuple[ArmSpec, ...]
    baseline: str

    def includes(self, model: str, arm: ArmSpec) -> bool:
        """Return whether an arm runs with a model."""
        values = {**arm.values, MODEL: model}
        return not any(
            all(values.get(axis) in _listed(wanted) for axis, wanted in entry.items())
            for entry in self.options.exclude or ()
        )


def read_study(path: str | Path) -> Study:
    """Read a study from a file, or one of the package by name; its keys replace those of the files it includes.

    Raises:
        UserError: the file is missing or not YAML, a key is unknown, or arms contradict each other.
    """
    path = find_config(path, EXPECTED)
    block = load_block(path, "study", EXPECTED)
    options = parse(StudyOptions, block, str(path.name))
    check_containers(StudyOptions, block, path.name)
    return build_study(path, options)


def build_study(path: Path, options: StudyOptions) -> Study:
    """Return the study of options, after checks of its models and arms.

    Args:
        path: the file with the options, to which bases are relative.
        options: the options.

    Raises:
        UserError: arms or models are missing, or contradict each other.
    """
    if options.base is None and not all((changes or {}).get("base") for changes in (options.arms or {"": {}}).values()):
        raise UserError(f"{path}: base is missing; expected the config that the runs start from")
    check_seeds(options.seeds, "seeds")
    models = _models(options)
    arms = _arms(options, models)
    _check_excluded(options, models)
    names = [arm.name for arm in arms]
    _check_printable({"models": models, "arms": names, "data": options.data or ()})
    if options.baseline is not None and options.baseline not in names:
        raise unknown_name("arm in baseline", options.baseline, names)
    if unknown := sorted(set(options.may_differ or ()) - {"gradients"}):
        raise unknown_name("entry in may_differ", unknown[0], ["gradients"])
    study = Study(path, options, models, arms, options.baseline or names[0])
    for model in models:
        if not study.includes(model, next(arm for arm in arms if arm.name == study.baseline)):
            raise UserError(
                f"exclude: leaves out the baseline {study.baseline!r} of {model}, which others compare with"
            )
    return study


def load_block(path: Path, kind: str, expected: str) -> dict[str, Any]:
    """Return the content of a file with that of the files it includes, and the values of one host.

    Args:
        path: the file.
        kind: ``study`` or ``search``.
        expected: what the file should be, for messages.

    Raises:
        UserError: a file is missing, not YAML, of another kind, or has no value for the host.
    """
    block = _load(path, kind, expected, ())
    return choose_host_values(block, block.get("host"), path.name)


def _load(path: Path, kind: str, expected: str, above: tuple[Path, ...]) -> dict[str, Any]:
    if path.resolve() in above:
        raise UserError(f"{path}: includes itself")
    block = read_yaml(path, expected)
    check_kind(block, kind, path)
    included: dict[str, Any] = {}
    if block.get("includes") is None:
        block.pop("includes", None)
    for name in included_files(block, path):
        included |= _load(path.parent / name, kind, expected, (*above, path.resolve()))
    return {**included, **{key: value for key, value in block.items() if key != "includes"}}


def _check_printable(names: Mapping[str, Iterable[Any]]) -> None:
    """Check that names have no control characters, which break tables and can control a terminal."""
    for key, found in names.items():
        for name in map(str, found):
            if any(unicodedata.category(each) in UNPRINTABLE for each in name):
                raise UserError(f"{key}: got the name {name!r}, expected one line of printable characters")


def _models(options: StudyOptions) -> dict[str, Mapping[str, Any]]:
    models = options.models
    bases = [options.base or "", *(str((changes or {}).get("base", "")) for changes in (options.arms or {}).values())]
    if models is None:
        if any("{model}" in base for base in bases):
            raise UserError("models: missing; base has {model} in it, which is replaced by each of them")
        return {Path(next(base for base in bases if base)).stem: {}}
    if isinstance(models, str) or not isinstance(models, (Mapping, Sequence)) or not models:
        raise UserError(f"models: got {models!r}, expected a list of names, or a mapping of each to its changes")
    if isinstance(models, Mapping):
        return {str(name): changes or {} for name, changes in models.items()}
    return {str(name): {} for name in models}


def _arms(options: StudyOptions, models: Iterable[str]) -> tuple[ArmSpec, ...]:
    axes = options.axes or {}
    for axis, block in axes.items():
        if axis == MODEL or not isinstance(block, Mapping) or not block:
            raise UserError(f"axes.{axis}: got {block!r}, expected values by name, such as {{output: {{...}}}}")
    arms = []
    for combination in itertools.product(*axes.values()) if axes else ():
        values = {axis: str(value) for axis, value in zip(axes, combination, strict=True)}
        changes = tuple(
            (f"axes.{axis}.{value}", axes[axis][value] or {}) for axis, value in zip(axes, combination, strict=True)
        )
        arms.append(ArmSpec(" / ".join(values.values()), changes, values=values))
    excluded = options.exclude or ()
    arms = [arm for arm in arms if not any(_matches(arm, entry) for entry in excluded)]
    for name, written in (options.arms or {}).items():
        changes_of = dict(written or {}) if isinstance(written, Mapping) or written is None else written
        base = changes_of.pop("base", None) if isinstance(changes_of, dict) else None
        by_model = changes_of.pop(BY_MODEL, None) if isinstance(changes_of, dict) else None
        _check_by_model(by_model, f"arms.{name}.{BY_MODEL}", models)
        changes = ((f"arms.{name}", changes_of),)
        arms.append(ArmSpec(str(name), changes, base, {"arm": str(name)}, by_model or {}))
    if not arms:
        raise UserError("arms: missing; expected axes or named arms, such as arms: {original: {}, irelu: {...}}")
    if len({arm.name for arm in arms}) < len(arms):
        raise UserError("arms: a named arm has the name of a combination of axes; rename it")
    return tuple(arms)


def _check_by_model(by_model: Any, path: str, models: Iterable[str]) -> None:
    if by_model is None:
        return
    if not isinstance(by_model, Mapping) or not all(isinstance(each, Mapping) for each in by_model.values()):
        raise bad_value(path, by_model, "changes by model, such as {schnet: {optim.lr_initial: 0.002}}")
    check_keys(by_model, models, path)


def _matches(arm: ArmSpec, entry: Mapping[str, Any]) -> bool:
    """Return whether an entry of ``exclude`` leaves the arm out for every model."""
    return all(arm.values.get(axis) in _listed(wanted) for axis, wanted in entry.items())


def _listed(wanted: Any) -> list[str]:
    return [str(value) for value in (wanted if isinstance(wanted, list) else [wanted])]


def _check_excluded(options: StudyOptions, models: Mapping[str, Any]) -> None:
    known: dict[str, list[str]] = {axis: list(map(str, values)) for axis, values in (options.axes or {}).items()}
    known |= {MODEL: list(models), "arm": [str(name) for name in options.arms or ()]}
    for number, entry in enumerate(options.exclude or ()):
        check_keys(entry, known, f"exclude[{number}]")
        for axis, wanted in entry.items():
            for value in _listed(wanted):
                if value not in known[axis]:
                    raise unknown_name(f"value of {axis} in exclude[{number}]", value, known[axis])
