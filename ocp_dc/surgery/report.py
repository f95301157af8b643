"""The changes that surgery made to a model, as data: printed at the start and saved with the run."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Swap:
    """One activation that was replaced.

    Args:
        path: the dotted path of the site.
        aliases: further paths to the same site or to the same shared object.
        was: the old activation.
        now: the new activation.
        inside: whether the site is in the region.
    """

    path: str
    aliases: tuple[str, ...]
    was: str
    now: str
    inside: bool


@dataclasses.dataclass(frozen=True)
class Removal:
    """One norm that was removed: its path, further paths to it, its repr, and whether a gain replaces it."""

    path: str
    aliases: tuple[str, ...]
    was: str
    fitted_gain: bool = False


@dataclasses.dataclass(frozen=True)
class Insertion:
    """A norm, dropout or both, inserted after one activation.

    Args:
        path: the dotted path of the site.
        aliases: further paths to the same site.
        after: the activation.
        norm: the norm; None for no norm.
        dropout: the probability of the dropout after both; 0 for no dropout.
    """

    path: str
    aliases: tuple[str, ...]
    after: str
    norm: str | None
    dropout: float


@dataclasses.dataclass(frozen=True)
class Report:
    """All changes that one call of ``apply_surgery`` made.

    Args:
        region: the region as in the config.
        swaps: the activations that were replaced.
        removals: the norms that were removed.
        unchanged: paths of activations that already were the requested function.
        kept: path and kind of the activations that no option changes.
        insertions: the norms and dropouts that were inserted after activations, swapped or not.
    """

    region: str | tuple[str, ...]
    swaps: tuple[Swap, ...] = ()
    removals: tuple[Removal, ...] = ()
    unchanged: tuple[str, ...] = ()
    kept: tuple[tuple[str, str], ...] = ()
    insertions: tuple[Insertion, ...] = ()

    @property
    def swapped(self) -> int:
        """The number of activations replaced inside the region; a shared object counts once."""
        return sum(swap.inside for swap in self.swaps)

    @property
    def swapped_elsewhere(self) -> int:
        """The number of activations replaced outside the region; a shared object counts once."""
        return sum(not swap.inside for swap in self.swaps)

    @property
    def changes(self) -> tuple[tuple[str, str], ...]:
        """The path of each changed place, aliases included, and what it is now."""
        found: list[tuple[Swap | Removal | Insertion, str]] = [(swap, f"now {swap.now}") for swap in self.swaps]
        found += [(removal, "a fitted gain" if removal.fitted_gain else "removed") for removal in self.removals]
        found += [(item, f"followed by {item.norm}, dropout {item.dropout:g}") for item in self.insertions]
        return tuple((path, text) for change, text in found for path in (change.path, *change.aliases))

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain data, for JSON."""
        counts = {
            "swapped": self.swapped,
            "swapped_elsewhere": self.swapped_elsewhere,
            "norms_removed": len(self.removals),
            "unchanged": len(self.unchanged),
            "kept": len(self.kept),
            "insertions": len(self.insertions),
        }
        return {"counts": counts, **dataclasses.asdict(self)}

    def __str__(self) -> str:
        """Return one line of counts, then one line per site."""
        lines = [
            f"surgery: {self.swapped} activations swapped in region {_region(self.region)}, "
            f"{self.swapped_elsewhere} elsewhere, {len(self.removals)} norms removed, {len(self.kept)} activations kept"
        ]
        for swap in self.swaps:
            lines.append(f"  {_paths(swap)}: {swap.was} -> {swap.now}{'' if swap.inside else ' (elsewhere)'}")
        lines += [f"  {path}: already as asked for" for path in self.unchanged]
        for removal in self.removals:
            gain = ", a fitted gain in its place" if removal.fitted_gain else ""
            lines.append(f"  {_paths(removal)}: {removal.was} removed{gain}")
        lines += [f"  {path}: {kind} kept" for path, kind in self.kept]
        if self.insertions:
            lines.append(f"insertion after {len(self.insertions)} activations")
        for item in self.insertions:
            parts = [*([item.norm] if item.norm else []), *([f"Dropout({item.dropout:g})"] if item.dropout else [])]
            lines.append(f"  {_paths(item)}: {item.after} -> {' -> '.join(parts)}")
        return "\n".join(lines)


def _region(region: str | tuple[str, ...]) -> str:
    return f"'{region}'" if isinstance(region, str) else f"[{', '.join(region)}]"


def _paths(change: Swap | Removal | Insertion) -> str:
    return change.path + (f" (= {', '.join(change.aliases)})" if change.aliases else "")
