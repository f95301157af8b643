"""A comparison of the initial weights of the arms, seed by seed."""

from __future__ import annotations

from ocp_dc.study.report.groups import Group
from ocp_dc.study.report.sentences import join_names


def describe_equal_terms(group: Group) -> str:
    """Return one or two sentences that compare the initial weights of each arm with the baseline's, by seed.

    Compared are the parameters that both have. Arms with additional parameters, such as those of norms, draw later
    parameters from another position of the random sequence, so they may begin with other weights. Runs that have not
    started have no weights and are not mentioned.
    """
    baseline = (
        {run.seed: run.initial_weights for run in group.arms[group.baseline].runs} if _has_baseline(group) else {}
    )
    same = 0
    other: dict[str, list[int]] = {}
    unknown: list[str] = []
    for name, arm in group.arms.items():
        if name == group.baseline:
            continue
        for run in arm.runs:
            own, others = run.initial_weights or {}, baseline.get(run.seed) or {}
            if not (common := own.keys() & others.keys()):
                unknown += [f"{name} (seed {run.seed})"] if run.status != "unfinished" else []
            elif all(own[parameter] == others[parameter] for parameter in common):
                same += 1
            else:
                other.setdefault(name, []).append(run.seed)
    sentences = []
    if other:
        arms = [f"{name} (seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))})" for name, seeds in other.items()]
        rest = "; the others began with the baseline's, seed by seed" if same else ""
        sentences.append(
            f"{join_names(arms)} began with other weights than the baseline, as arms with other parameters may{rest}."
        )
    elif same:
        which = "all other arms began with the baseline's" if unknown else "all arms began with the same"
        sentences.append(f"with each seed {which} weights.")
    if unknown:
        sentences.append(f"Unknown for {join_names(unknown)}, which have no parameters of the baseline to compare.")
    return f"{group.title}: {' '.join(sentences) or 'no initial weights to compare.'}"


def _has_baseline(group: Group) -> bool:
    return group.baseline in group.arms
