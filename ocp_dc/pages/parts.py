"""Parts of a page: tables of texts, and pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Cell:
    """A text of one or more lines in a table, bold if it is the best of its column."""

    text: str
    best: bool = False


@dataclasses.dataclass(frozen=True)
class Column:
    """A column: its heading of one or two lines, and a cell for each row."""

    heading: tuple[str, str]
    cells: tuple[Cell, ...]


@dataclasses.dataclass(frozen=True)
class Table:
    """A table.

    Args:
        title: the line above it.
        columns: the first one holds the names of the rows.
        notes: sentences below it.
    """

    title: str
    columns: tuple[Column, ...]
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> list[tuple[Cell, ...]]:
        """Return the cells of each row."""
        return list(zip(*(column.cells for column in self.columns), strict=True))


@dataclasses.dataclass(frozen=True, eq=False)
class Plot:
    """A figure: the name of its file, its caption, its PNG, and its width in inches."""

    name: str
    caption: str
    png: bytes
    inches: float


def table_of_rows(title: str, rows: Sequence[Mapping[str, Any]], notes: Iterable[str] = ()) -> Table:
    """Return a table with the columns of rows of a CSV file; the unit in a name is the second line of its heading.

    Args:
        title: the line above it.
        rows: one or more, with the same names.
        notes: sentences below it.
    """
    columns = []
    for name in rows[0]:
        heading, bracket, unit = name.partition(" [")
        cells = tuple(Cell(_text(row[name])) for row in rows)
        columns.append(Column((heading.replace("_", " "), unit.removesuffix("]") if bracket else ""), cells))
    return Table(title, tuple(columns), tuple(notes))


def table_of_facts(title: str, facts: Mapping[str, Any], headings: tuple[str, str] = ("", "")) -> Table:
    """Return a table of two columns: names and values."""
    names, values = (tuple(Cell(_text(each)) for each in part) for part in (facts, facts.values()))
    return Table(title, (Column((headings[0], ""), names), Column((headings[1], ""), values)))


def _text(value: Any) -> str:
    return f"{value:.5g}" if isinstance(value, float) else f"{value:,}" if type(value) is int else str(value)
