"""Colors, line styles and texts that stay readable for the color-blind, in print, and with any name of a user."""

from __future__ import annotations

from typing import Any

# Okabe and Ito, "Color Universal Design" (2008), without black and the yellow that is too pale for a line.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
LINES = ("-", "--", ":", "-.")
DPI = 150


def line_style(number: int) -> dict[str, Any]:
    """Return color and line style of the curve with this number, from 0; the first 24 differ."""
    return {"color": COLORS[number % len(COLORS)], "linestyle": LINES[number // len(COLORS) % len(LINES)]}


def literal_text(name: str, longest: int | None = None) -> str:
    """Return a text that matplotlib shows literally: not as a formula, and not hidden from legends.

    Args:
        name: the text, perhaps from a user.
        longest: see :func:`shortened`.
    """
    escaped = (name if longest is None else shortened(name, longest)).replace("$", r"\$")
    return f" {escaped}" if name.startswith("_") else escaped


def shortened(text: str, longest: int) -> str:
    """Return a text of at most ``longest`` characters, its end replaced by an ellipsis if it is longer."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
