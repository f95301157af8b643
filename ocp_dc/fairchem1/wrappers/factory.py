"""The factory of wrappers: a stock model class and its region table make a registered class with a ``dc:`` block."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from fairchem.core.common.registry import registry
from torch import nn

from ocp_dc.core.errors import UserError
from ocp_dc.core.options import check_keys
from ocp_dc.fairchem1.wrappers.direct_forces import check_direct
from ocp_dc.fairchem1.wrappers.probe import forward_once
from ocp_dc.surgery import DCOptions, RegionTable, Report, operate


def make_wrapper(
    class_name: str,
    registered_name: str,
    stock: type[nn.Module],
    regions: RegionTable | Callable[[Any], RegionTable],
    *,
    module: str,
    is_conservative: Callable[[Any], bool],
    base: type[nn.Module] | None = None,
    has_detached_angles: bool = False,
    has_other_forces: bool = False,
    check: Callable[[Any], None] | None = None,
    why_direct: Callable[[Any], str | None] | None = None,
) -> type[nn.Module]:
    """Make and register the wrapper of a stock model: fairchem's, or one of :mod:`ocp_dc.fairchem1.models`.

    The class takes the arguments of the stock model and ``dc``. Without ``dc``, or with one that asks for nothing, it
    is the stock model: same forward, same random numbers drawn. Its instances have ``registered_name``, ``dc_options``,
    ``dc_report`` (what surgery did, None where nothing was asked for) and ``conservative`` (whether forces are -dE/dx).

    Args:
        class_name: name of the class, to be bound to the same name in ``module``.
        registered_name: name in fairchem's registry: ``dc_`` and the stock model's own name.
        stock: the stock class.
        regions: what the named regions mean for it, or a function that tells it of an instance.
        module: the module that holds the class, for its dotted path.
        is_conservative: tells of an instance whether its forces are the gradient of its energy.
        base: a subclass of ``stock`` with what the wrapper computes in another way; ``stock`` itself where None.
        has_detached_angles: whether ``dc.angle_gradients`` means something for this model.
        has_other_forces: whether ``dc.force_gradients`` means something for this model.
        check: called with the stock instance where ``dc`` asks for something; raises UserError where both do not go
            together.
        why_direct: tells of an instance why its forces are no derivatives of its energy, None where they are, or where
            there are no forces; with it ``dc.allow_direct`` means something for this model.
    """
    parameters = [p for p in inspect.signature(stock.__init__).parameters.values() if p.kind is not p.VAR_KEYWORD]
    stock_names = [p.name for p in parameters[1:]]

    def __init__(self: Any, *args: Any, dc: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        check_keys(kwargs, [*stock_names, "dc"], f"model ({registered_name})")
        options = DCOptions.from_block(dc)
        if options.angle_gradients is not None and not has_detached_angles:
            raise UserError(
                f"model.dc.angle_gradients: {registered_name} detaches no angles, so that the key means nothing here; "
                "remove it"
            )
        if options.force_gradients is not None and not has_other_forces:
            raise UserError(
                f"model.dc.force_gradients: the forces of {registered_name} are derivatives of its energy already, so "
                "that the key means nothing here; remove it"
            )
        if why_direct is None:  # before anything is built
            check_direct(options, None, self.registered_name)
        stock.__init__(self, *args, **kwargs)
        self.dc_options = options
        options.check()
        if why_direct is not None:
            check_direct(options, why_direct(self), self.registered_name)
        if check is not None and not (options.asks_for_nothing and options.wanted_gradients == "stock"):
            check(self)
        table = regions if isinstance(regions, RegionTable) else regions(self)
        self.dc_report = None if options.asks_for_nothing else operate(self, options, table, forward_once)

    dc_parameter = inspect.Parameter("dc", inspect.Parameter.KEYWORD_ONLY, default=None, annotation="dict | None")
    __init__.__signature__ = inspect.Signature([*parameters, dc_parameter])  # type: ignore[attr-defined]
    body = {
        "__init__": __init__,
        "__module__": module,
        "__qualname__": class_name,
        "__doc__": f"{stock.__name__} with a ``dc:`` block; registered as ``{registered_name}``.\n\n"
        f"Regions: {regions.source if isinstance(regions, RegionTable) else regions.__doc__}",
        "registered_name": registered_name,
        "dc_regions": regions if isinstance(regions, RegionTable) else property(regions),
        "conservative": property(is_conservative),
        "stock_class": stock,
    }
    wrapper = type(class_name, (base or stock,), body)
    registry.register_model(registered_name)(wrapper)
    return wrapper


def surgery_report(model: nn.Module) -> Report | None:
    """Return what surgery did to a model, or None for a stock one."""
    return getattr(model, "dc_report", None)
