"""The report in a terminal: verdict and tables, split into pieces that fit its width."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from ocp_dc.pages.parts import Cell, Column, Table
from ocp_dc.study.report.content import Content, Section

WIDEST_NAME = 28  # longer names of arms are folded
PADDING = 3  # of rich's box around a column


def print_content(content: Content, console: Console) -> None:
    """Print a report.

    Args:
        content: the content of the report.
        console: where to print.
    """
    results = content.results
    console.print(f"[bold]{escape(results.title)}[/bold]", highlight=False)
    if results.question:
        console.print(results.question, markup=False, highlight=False)
    about = f"Baseline: {results.baseline}. Budget: {results.budget}. {content.progress}."
    console.print(about, markup=False, highlight=False, style="dim")
    for text in results.warnings:
        console.print(f"Warning: {text}", markup=False, highlight=False, style="yellow")
    for section in content.sections:
        _print_section(section, console)
    console.print(f"\nAgain: {results.command}", markup=False, highlight=False, style="dim")


def _print_section(section: Section, console: Console) -> None:
    console.print()
    console.rule(f"[bold]{escape(section.title)}[/bold]", align="left", characters="─")
    for sentence in section.verdict.overall:
        console.print(sentence, markup=False, highlight=False, style="bold")
    for arm, text in section.verdict.arms.items():
        console.print(f"• [bold]{escape(arm)}[/bold]: {escape(text)}", highlight=False)
    for table in (section.primary, section.secondary):
        _print_table(table, console)
    console.print(section.equal_terms, markup=False, highlight=False)
    if section.effects is not None:
        for sentence in section.effects.sentences:
            console.print(sentence, markup=False, highlight=False)
        for table in section.effects.tables:
            console.print(f"\n[bold]{escape(table.title)}[/bold]", highlight=False)
            _print_table(table, console)


def _print_table(table: Table, console: Console) -> None:
    for piece in pieces(table, console.width):
        console.print(_rich(piece))
    for note in table.notes:
        console.print(note, markup=False, highlight=False, style="dim")


def pieces(table: Table, width: int) -> Iterator[Table]:
    """Yield a table in pieces that name the arms; each fits into ``width`` characters if its columns do."""
    names, *others = table.columns
    taken: list[Column] = []
    for column in others:
        if taken and sum(map(_width, (names, *taken, column))) > width - 1:
            yield Table(table.title, (names, *taken), table.notes)
            taken = []
        taken.append(column)
    yield Table(table.title, (names, *taken), table.notes)


def _width(column: Column) -> int:
    texts = (*column.heading, *(cell.text for cell in column.cells))
    return min(max(len(line) for text in texts for line in text.split("\n")), WIDEST_NAME) + PADDING


def _rich(table: Table) -> RichTable:
    shown = RichTable(box=box.SIMPLE_HEAVY)
    for i, column in enumerate(table.columns):
        heading = "\n".join(escape(line) for line in column.heading)
        width = WIDEST_NAME if _width(column) >= WIDEST_NAME + PADDING else None
        shown.add_column(heading, justify="right" if i else "left", overflow="fold", max_width=width)
    for row in table.rows:
        shown.add_row(*map(_cell, row))
    return shown


def _cell(cell: Cell) -> str:
    return f"[bold]{escape(cell.text)}[/bold]" if cell.best else escape(cell.text)
