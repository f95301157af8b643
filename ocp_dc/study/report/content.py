"""The content of a report, before it is rendered as Markdown, HTML or text of a terminal."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from matplotlib.figure import Figure

from ocp_dc.core.errors import UserError
from ocp_dc.pages.parts import Plot, Table
from ocp_dc.plotting.figures import png_bytes
from ocp_dc.study.record import STATUSES, StudyResults
from ocp_dc.study.report.curves import curves_figure
from ocp_dc.study.report.effect_tables import EffectsPart, build_effects
from ocp_dc.study.report.equal_terms import describe_equal_terms
from ocp_dc.study.report.groups import Group, gather
from ocp_dc.study.report.parity import parity_figure
from ocp_dc.study.report.plots import errors_figure, tradeoff_figure
from ocp_dc.study.report.tables import primary_table, secondary_table
from ocp_dc.study.report.verdict import Verdict, build_verdict

PLOT_SUFFIXES = ("-errors", "-curves", "-tradeoff", "-parity")  # of the names of the plots


@dataclasses.dataclass(frozen=True, eq=False)
class Section:
    """The part of a report about one model and data set."""

    title: str
    verdict: Verdict
    primary: Table
    secondary: Table
    equal_terms: str
    effects: EffectsPart | None = None
    plots: Sequence[Plot] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class Content:
    """A whole report.

    Args:
        results: the study.
        groups: its runs by model and data set.
        progress: the number of runs of each status, in words.
        sections: a section for each group.
    """

    results: StudyResults
    groups: Sequence[Group]
    progress: str
    sections: Sequence[Section]

    @property
    def effects(self) -> list[EffectsPart]:
        """Return the effects of each section that has axes."""
        return [section.effects for section in self.sections if section.effects is not None]


def build_content(results: StudyResults, plots: bool = True) -> Content:
    """Return the content of a report.

    Args:
        results: the study.
        plots: false to draw no plots, for a terminal.

    Raises:
        UserError: the study has no runs, or saved predictions that cannot be read.
    """
    groups = gather(results)
    if not groups:
        raise UserError("got a study without runs, expected at least one planned run of its models and data sets")
    sections = [
        Section(
            group.title,
            build_verdict(results, group),
            primary_table(results, group),
            secondary_table(results, group),
            describe_equal_terms(group),
            build_effects(results, group),
            _plots(results, group, prefix) if plots else (),
        )
        for group, prefix in zip(groups, _prefixes(groups), strict=True)
    ]
    return Content(results, groups, _progress(results), sections)


def _progress(results: StudyResults) -> str:
    counts = [(status, sum(run.status == status for run in results.records)) for status in STATUSES]
    total = len(results.records)
    return f"{total} run{'s' * (total != 1)}: " + ", ".join(f"{count} {status}" for status, count in counts if count)


def _prefixes(groups: Sequence[Group]) -> list[str]:
    """Return the beginning of each group's file names: names come from a user and may have any characters."""
    names = [re.sub(r"[^A-Za-z0-9]+", "-", f"{group.model}-{group.data}").strip("-").lower()[:60] for group in groups]
    return [name if names.count(name) == 1 and name else f"{name}-{i}".strip("-") for i, name in enumerate(names)]


def _plots(results: StudyResults, group: Group, prefix: str) -> list[Plot]:
    figures: Sequence[tuple[str, Figure | None]] = (
        ("Final errors of each seed", errors_figure(results, group)),
        ("Learning curves", curves_figure(results, group)),
        ("Trade-off between the primary quantities", tradeoff_figure(results, group)),
        ("Predicted against true values of the test set", parity_figure(group)),
    )
    return [
        Plot(f"{prefix}{kind}.png", f"{caption}, {group.title}", png_bytes(figure), figure.get_figwidth())
        for kind, (caption, figure) in zip(PLOT_SUFFIXES, figures, strict=True)
        if figure is not None
    ]
