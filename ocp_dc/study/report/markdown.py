"""The report as Markdown, with its plots in separate files."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ocp_dc.pages.parts import Cell, Table
from ocp_dc.study.report.content import Content, Section


def render_markdown(content: Content) -> str:
    """Return the report as GitHub's Markdown; plots are referred to as ``plots/NAME.png``."""
    return "\n".join(_lines(content)) + "\n"


def escaped(text: str) -> str:
    """Return a text on one line, escaped so that Markdown shows it literally: names come from a user."""
    return re.sub(r"([\\`*_{}\[\]<>|#~$])", r"\\\1", " ".join(text.split()))


def _lines(content: Content) -> Iterator[str]:
    results = content.results
    yield f"# {escaped(results.title)}"
    yield ""
    if results.question:
        yield escaped(results.question)
        yield ""
    yield f"Baseline: {escaped(results.baseline)}. Budget: {escaped(results.budget)}. {content.progress}."
    yield ""
    if results.warnings:
        yield from (*(f"* **Warning**: {escaped(text)}" for text in results.warnings), "")
    yield "## Verdict"
    for section in content.sections:
        yield from _verdict(section)
    yield ""
    yield "## Errors"
    for section in content.sections:
        yield from _table(section.primary)
    if content.effects:
        yield from ("", "## Effects", "")
        yield from (f"* {escaped(text)}" for part in content.effects for text in part.sentences)
        for part in content.effects:
            for table in part.tables:
                yield from _table(table)
    yield ""
    yield "## Plots"
    for section in content.sections:
        for plot in section.plots:
            yield from ("", f"![{escaped(plot.caption)}](plots/{plot.name})")
    yield ""
    yield "## Other errors and costs"
    for section in content.sections:
        yield from _table(section.secondary)
    yield from ("", "## Equal terms", "")
    yield from (f"* {escaped(section.equal_terms)}" for section in content.sections)
    yield from ("", "## Arms and data", "")
    yield from (f"* {escaped(name)}: {escaped(text)}" for name, text in (*results.arms.items(), *results.data.items()))
    yield from ("", "## Again", "", "```sh", *results.command.splitlines(), "```")


def _verdict(section: Section) -> Iterator[str]:
    yield from ("", f"### {escaped(section.title)}", "")
    yield from (escaped(text) for text in section.verdict.overall)
    yield ""
    yield from (f"* **{escaped(arm)}**: {escaped(text)}" for arm, text in section.verdict.arms.items())


def _table(table: Table) -> Iterator[str]:
    yield from ("", f"### {escaped(table.title)}", "")
    yield _row("<br>".join(escaped(line) for line in column.heading if line) for column in table.columns)
    yield _row("---:" if i else "---" for i in range(len(table.columns)))
    yield from (_row(_cell(cell) for cell in row) for row in table.rows)
    for note in table.notes:
        yield from ("", escaped(note))


def _cell(cell: Cell) -> str:
    text = "<br>".join(map(escaped, cell.text.split("\n")))
    return f"**{text}**" if cell.best else text


def _row(cells: Iterator[str]) -> str:
    return f"| {' | '.join(cells)} |"
