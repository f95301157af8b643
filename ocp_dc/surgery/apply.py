"""Apply surgery: swap activations by region, remove norms, insert norms and dropout, and report the changes."""

from __future__ import annotations

from collections import Counter

from torch import nn

from ocp_dc.core.errors import UserError
from ocp_dc.nn import activation, same_activation
from ocp_dc.surgery.insert import Forward, insert, make_norms
from ocp_dc.surgery.norms import RemovedNorm, remove_norms
from ocp_dc.surgery.options import PATH, DCOptions
from ocp_dc.surgery.regions import RegionTable, is_gate, select
from ocp_dc.surgery.report import Report, Swap
from ocp_dc.surgery.sites import Site, describe, find_sites


def apply_surgery(
    model: nn.Module, options: DCOptions, table: RegionTable, forward: Forward | None = None, path: str = PATH
) -> Report:
    """Change ``model`` in place as the ``dc:`` block requests, and return a report of the changes.

    Everything is checked before anything is changed. A second call with the same options changes nothing.

    Args:
        model: the model; its parameter names do not change, and no random number is drawn.
        options: the ``dc:`` block.
        table: the named regions of this model.
        forward: calls the model once, on any data, to find the widths of the norms of ``insert_norm``; only needed
            for these.
        path: the key of the block in the config, for messages.

    Raises:
        UserError: an activation or region is unknown, a pattern matches nothing, the block only removes norms and there
            are none, or a norm is to be inserted at features that have several widths.
    """
    options.check(path)
    sites = find_sites(model, table.activation_types)
    inside = select(sites, options.resolved_region, table, f"{path}.region")
    gates = [site for site in sites if is_gate(site, table)]
    outside = [site for site in sites if site not in inside and site not in gates]

    swaps: list[Swap] = []
    unchanged: list[str] = []
    kept: list[Site] = list(gates)
    planned: list[tuple[Site, nn.Module]] = []
    for chosen, wanted, is_inside in (
        (inside, options.resolved_activation, True),
        (outside, options.elsewhere, False),
    ):
        if wanted == "original":
            kept += chosen
            continue
        activation(wanted)  # an unknown name is an error even if no site is chosen
        for group in _by_object(chosen, sites):
            new = activation(wanted)
            paths = [each for site in group for each in site.paths]
            if isinstance(group[0].original, nn.Module) and same_activation(group[0].original, new):
                unchanged.append(paths[0])
                continue
            swaps.append(Swap(paths[0], tuple(paths[1:]), describe(group[0].original), describe(new), is_inside))
            planned += [(site, new) for site in group]

    insert_sites = select(sites, options.resolved_insert_region, table, f"{path}.insert_region")
    norms = {}
    if options.insert_norm != "none":
        if forward is None:
            raise UserError(
                f"{path}.insert_norm: the widths of the norms are found by a pass; give apply_surgery() a forward"
            )
        norms = make_norms(model, insert_sites, forward, path)

    removed_before = any(isinstance(part, RemovedNorm) for part in model.modules())
    removals = remove_norms(model, options.denormalize, table.norm_types, options.norm_gain == "fitted", path)
    others = options.has_swaps or options.has_insertions
    if options.denormalize != "none" and not (removals or removed_before or others):
        raise UserError(
            f"{path}.denormalize: {options.denormalize!r} finds no such layer in {type(model).__name__}, and nothing "
            "else is asked for; leave the dc: block out to train the stock model"
        )
    for site, new in planned:
        site.replace(new)
    insertions = insert(insert_sites, norms, options.dropout, path)
    region = options.resolved_region
    return Report(
        region=region if isinstance(region, str) else tuple(region),
        swaps=tuple(swaps),
        removals=tuple(removals),
        unchanged=tuple(unchanged),
        kept=tuple((site.paths[0], describe(site.original)) for site in kept),
        insertions=tuple(insertions),
    )


def _by_object(chosen: list[Site], sites: list[Site]) -> list[list[Site]]:
    """Group chosen sites that share one module object, so that it counts once and stays one object.

    If sites that are not chosen share the object too, each chosen site gets a separate activation and counts by itself
    (DimeNet++ has one activation in all blocks, and a region may choose the output blocks only). Plain functions are
    never grouped.
    """
    total = Counter(id(site.original) for site in sites)
    within = Counter(id(site.original) for site in chosen)
    groups: dict[int, list[Site]] = {}
    for site in chosen:
        key = id(site.original)
        whole = isinstance(site.original, nn.Module) and within[key] == total[key]
        groups.setdefault(key if whole else id(site), []).append(site)
    return list(groups.values())
