"""Regions: named sets of activations, such as ``output``. Each wrapper defines the table of its model."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

from ocp_dc.core.errors import UserError, nearest
from ocp_dc.surgery.options import PATH, REGION_NAMES
from ocp_dc.surgery.sites import Site


@dataclasses.dataclass(frozen=True)
class RegionTable:
    """The named regions of one model, as regular expressions for ``re.search`` on site paths.

    Args:
        output: the blocks that turn features into energies.
        paper: the region of the published runs (arXiv 2310.01649); None if the model is not in the paper, and then
            ``paper`` means ``output``.
        gates: sites that need a bounded or positive function; they are in no region.
        activation_types: class names of the model's own activations, beside those of torch.
        norm_types: class names of the model's own norms, removed by ``denormalize: all``.
        source: the origin of the table: paper section and upstream file.
    """

    output: tuple[str, ...]
    source: str
    paper: tuple[str, ...] | None = None
    gates: tuple[str, ...] = ()
    activation_types: tuple[str, ...] = ()
    norm_types: tuple[str, ...] = ()

    def patterns(self, region: str | Sequence[str], option: str = f"{PATH}.region") -> tuple[str, ...]:
        """Return the patterns of a region, given by name or as a list of regular expressions.

        Args:
            region: the region.
            option: its key in the config, for messages.

        Raises:
            UserError: the name is unknown, or an expression does not compile.
        """
        if isinstance(region, str):
            if region == "none":
                return ()
            if region == "full":
                return ("",)
            if region == "output":
                return self.output
            if region == "paper":
                return self.output if self.paper is None else self.paper
            raise UserError(
                f"{option}: unknown region {region!r}: expected one of {', '.join(REGION_NAMES)}, or a list of "
                f"regular expressions.{nearest(region, REGION_NAMES)}"
            )
        if not isinstance(region, Sequence) or not all(isinstance(p, str) for p in region) or len(region) == 0:
            raise UserError(
                f"{option}: got {region!r}, expected one of {', '.join(REGION_NAMES)}, or a list of regular "
                "expressions such as ['interactions\\.0\\.', '^act$']"
            )
        for pattern in region:
            try:
                re.compile(pattern)
            except re.error as error:
                raise UserError(f"{option}: {pattern!r} is not a valid regular expression: {error}") from error
        return tuple(region)


def select(
    sites: Sequence[Site], region: str | Sequence[str], table: RegionTable, option: str = f"{PATH}.region"
) -> list[Site]:
    """Return the sites of a region without gates; ``option`` is its key in the config, for messages.

    Raises:
        UserError: a pattern matches no site; the message lists all sites.
    """
    free = [site for site in sites if not is_gate(site, table)]
    chosen: list[Site] = []
    for pattern in table.patterns(region, option):
        found = [site for site in free if _matches(site, (pattern,))]
        if not found:
            known = [path for site in free for path in site.paths]
            listing = "\n  ".join(known) if known else "(none: the model holds no activation within reach)"
            raise UserError(
                f"{option}: {pattern!r} matches no activation of the model.{nearest(pattern, known)} "
                f"The activations within reach are\n  {listing}"
            )
        chosen += [site for site in found if site not in chosen]
    return [site for site in free if site in chosen]  # in the order of the model


def is_gate(site: Site, table: RegionTable) -> bool:
    """Return whether a site is a gate, which keeps its function in every region."""
    return _matches(site, table.gates)


def _matches(site: Site, patterns: Sequence[str]) -> bool:
    return any(re.search(pattern, path) for pattern in patterns for path in site.paths)
