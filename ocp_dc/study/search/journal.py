"""The journal of a search: Optuna's studies, one of each model and arm, in a file that several processes share.

A trial stays ``RUNNING`` for Optuna until its end, also if its process is killed or a run of it fails: so the next
start continues it, under the same number and with the same values.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from ocp_dc.study.search.space import Space

FILE = "search.journal"
FAILURE, MESSAGE, SECONDS = "failure", "message", "seconds"  # attributes of trials
ENOUGH = 10  # trials that say something about importances
Key = tuple[str, str]  # model and arm

optuna.logging.set_verbosity(optuna.logging.WARNING)


class Journal:
    """The journal in a folder.

    Args:
        out: the folder of the search.
        seed: the seed of the search.
        parallel: whether several trials are made at a time, which should differ.
    """

    def __init__(self, out: Path, seed: int, parallel: bool = False) -> None:
        self._storage = JournalStorage(JournalFileBackend(str(out / FILE)))
        self._sampler = _TrialSampler(seed, parallel)

    def create(self, key: Key, goals: int, start: Mapping[str, Any]) -> None:
        """Create the study of a model and an arm, if there is none, with the first trial waiting in it.

        Args:
            key: the model and the arm.
            goals: the number of objectives.
            start: values of the first trial; it chooses the others.
        """
        study = optuna.create_study(
            storage=self._storage,
            sampler=self._sampler,
            study_name=_name(key),
            directions=["minimize"] * goals,
            load_if_exists=True,
        )
        if start and not study.get_trials(deepcopy=False):
            study.enqueue_trial(dict(start))

    def trials(self, key: Key) -> list[FrozenTrial]:
        """Return the trials of a model and an arm that were started, in order; none before :meth:`create`."""
        try:
            trials = self._study(key).get_trials(deepcopy=False)
        except KeyError:
            return []
        return [trial for trial in trials if trial.state != TrialState.WAITING]

    def new_trial(self, key: Key) -> int:
        """Start a trial and return its number."""
        return self._study(key).ask().number

    def choose(self, key: Key, number: int, space: Space) -> dict[str, Any]:
        """Return the values of a trial for a config, by dotted key; those of a resumed trial are the same."""
        study = self._study(key)
        trial = Trial(study, _frozen(study, number)._trial_id)
        return {name: values.value(values.suggest(trial, name)) for name, values in space.items()}

    def report(self, key: Key, number: int, rung: int, score: float, errors: Mapping[str, Any]) -> None:
        """Write the score and the errors of a rung; an infinite score becomes NaN, the worst one for Optuna."""
        study = self._study(key)
        frozen = _frozen(study, number)
        if rung not in frozen.intermediate_values:
            trial = Trial(study, frozen._trial_id)
            trial.set_user_attr(rung_attribute(rung), {"errors": dict(errors)})
            if len(study.directions) == 1:
                trial.report(score if math.isfinite(score) else math.nan, rung)

    def finish(self, key: Key, number: int, values: Sequence[float] | None) -> None:
        """End a trial: with its values, or without any if it was stopped early."""
        state = TrialState.PRUNED if values is None else TrialState.COMPLETE
        self._study(key).tell(number, None if values is None else list(values), state=state)

    def note(self, key: Key, number: int, **attributes: Any) -> None:
        """Set attributes of a trial."""
        study = self._study(key)
        trial = Trial(study, _frozen(study, number)._trial_id)
        for name, value in attributes.items():
            trial.set_user_attr(name, value)

    def _study(self, key: Key) -> optuna.Study:
        return optuna.load_study(study_name=_name(key), storage=self._storage, sampler=self._sampler)


class _TrialSampler(BaseSampler):
    """Optuna's TPE, with a seed for each trial and key: a trial that is resumed gets the values that it had.

    Args:
        seed: the seed of the search.
        parallel: whether several trials are made at a time.
    """

    def __init__(self, seed: int, parallel: bool) -> None:
        self._seed, self._parallel = seed, parallel
        self._joint: TPESampler | None = None

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Return the keys whose values are chosen together."""
        self._joint = self._tpe(trial, "")
        return self._joint.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return values chosen together."""
        assert self._joint is not None
        return self._joint.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Return a value chosen by itself, which does not depend on the other keys: arms share their first trials."""
        return self._tpe(trial, param_name).sample_independent(study, trial, param_name, param_distribution)

    def _tpe(self, trial: FrozenTrial, key: str) -> TPESampler:
        digest = hashlib.sha256(json.dumps([self._seed, trial.number, key]).encode()).digest()
        with _without_warnings():
            return TPESampler(
                seed=int.from_bytes(digest[:4], "big"), multivariate=True, group=True, constant_liar=self._parallel
            )


def rung_attribute(rung: int) -> str:
    """Return the name of the attribute with the errors of a rung, from 0."""
    return f"rung{rung}"


def importances(trials: Sequence[tuple[FrozenTrial, float]]) -> dict[str, float]:
    """Return the importance of each key for a score, which sum to 1; empty for fewer than ``ENOUGH`` trials.

    Args:
        trials: trials with their scores, finite ones only.
    """
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    if len(trials) < ENOUGH:
        return {}
    study = optuna.create_study()
    for trial, score in trials:
        study.add_trial(optuna.trial.create_trial(params=trial.params, distributions=trial.distributions, value=score))
    with _without_warnings(), contextlib.suppress(ValueError, RuntimeError):
        return dict(get_param_importances(study, evaluator=PedAnovaImportanceEvaluator()))
    return {}


def _frozen(study: optuna.Study, number: int) -> FrozenTrial:
    return study.get_trials(deepcopy=False)[number]


def _name(key: Key) -> str:
    return " ".join(key)


@contextlib.contextmanager
def _without_warnings() -> Iterator[None]:
    """Hide warnings about parts of Optuna that may change: its version is pinned by the user's environment."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        yield
