"""The base class of all wrappers, which adds a ``dc:`` block to a stock model, and their registration with fairchem."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from fairchem.core.common.registry import registry
from torch import nn

from ocp_dc.core.errors import UserError
from ocp_dc.core.options import check_keys
from ocp_dc.fairchem1.wrappers import import_all
from ocp_dc.fairchem1.wrappers.probe import forward_once
from ocp_dc.surgery import DCOptions, RegionTable, Report, apply_surgery
from ocp_dc.surgery.direct_forces import forces_are_gradients, refuse_direct_forces

PATH = "model.dc"  # the key of the block in a fairchem config
Wrapper = TypeVar("Wrapper", bound="type[DCModel]")
# keys that only some wrappers add to the block -> the options that declare them
_extra_keys: dict[str, type[DCOptions]] = {}
_native_names: set[str] = set()  # registered names of wrappers with a native model


class _Signature:
    """The signature of a wrapper: that of its stock model, and the keyword ``dc``."""

    def __get__(self, instance: DCModel | None, owner: type[DCModel]) -> inspect.Signature:
        if instance is not None or owner.__init__ is not DCModel.__init__:
            raise AttributeError("__signature__")  # so that inspect reads the signature of __init__
        dc = inspect.Parameter("dc", inspect.Parameter.KEYWORD_ONLY, default=None, annotation="dict | None")
        return inspect.Signature([*_parameters(owner.stock_class), dc])


class DCModel(nn.Module):
    """A stock model with a ``dc:`` block; a wrapper derives from this class and from the stock model, in this order.

    It takes the arguments of the stock model and ``dc``. Without ``dc``, or if the block changes nothing, it is the
    stock model: same forward pass, same random numbers drawn.

    Args:
        args: positional arguments of the stock model.
        dc: the ``dc:`` block; None for the stock model.
        kwargs: keyword arguments of the stock model.

    Attributes:
        registered_name: name in fairchem's registry, set by :func:`register`.
        stock_class: the stock model, set by :func:`register`.
        dc_regions: the activations of each named region; a property if they depend on the instance.
        dc_options_class: the class of the options; a subclass of DCOptions if the model has further keys.
        dc_options: the options of this instance.
        has_native: whether there is a native model, see :mod:`ocp_dc.fairchem1.wrappers.native_model`.
        dc_report: the report of the surgery; None if the block changes no layer.

    Raises:
        UserError: an argument or key is unknown, the block does not fit the model, or the surgery is not possible.
    """

    registered_name: ClassVar[str]
    stock_class: ClassVar[Any]
    has_native: ClassVar[bool] = False
    dc_options_class: ClassVar[type[DCOptions]] = DCOptions
    dc_options: DCOptions
    dc_report: Report | None
    __signature__ = _Signature()

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Return an attribute of the stock model, which is untyped."""

    def __init__(self, *args: Any, dc: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        known = [*(parameter.name for parameter in _parameters(self.stock_class)), "dc"]
        check_keys(kwargs, known, f"model ({self.registered_name})")
        options = self.read_dc(dc)
        super().__init__(*args, **kwargs)
        self.dc_options = options
        options.check(PATH)
        self.check_dc()
        self.check_acceleration()
        self.dc_report = None
        if not options.is_noop:
            self.dc_report = apply_surgery(self, options, self.dc_regions, forward_once, PATH)

    @property
    def dc_regions(self) -> RegionTable:
        """The activations of each named region; a subclass sets a table."""
        raise NotImplementedError(f"{type(self).__name__} has no table of regions; set dc_regions = RegionTable(...)")

    @property
    def conservative(self) -> bool:
        """Return whether the model predicts forces that are the gradient of its energy."""
        return forces_are_gradients(self)

    def check_dc(self) -> None:
        """Refuse a block that contradicts the model's arguments; called once, before surgery.

        Raises:
            UserError: the block changes something, and the forces are not derived from the energy.
        """
        if not self.dc_options.is_stock:
            refuse_direct_forces(self)

    def check_acceleration(self) -> None:
        """Refuse ``accelerate: native`` and ``compile`` for a model without a native one.

        Raises:
            UserError: the model has none; the message names the models that have one.
        """
        if (asked := self.dc_options.accelerate) in ("native", "compile"):
            import_all()
            raise UserError(
                f"{PATH}.accelerate: got {asked!r}, and {self.registered_name} has no native model; leave the key "
                f"out, or set it to auto or off. The models with one are {', '.join(sorted(_native_names))}"
            )

    @classmethod
    def read_dc(cls, block: Mapping[str, Any] | None) -> DCOptions:
        """Read the ``dc:`` block of this model.

        Raises:
            UserError: a key is unknown or only for other models, or a value is not valid.
        """
        if isinstance(block, Mapping):
            own = {field.name for field in dataclasses.fields(cls.dc_options_class)}
            if not own.issuperset(block):
                import_all()  # the key may be another wrapper's
            foreign = {key: _extra_keys[key] for key in block if key in _extra_keys and key not in own}
            for key, options in foreign.items():
                message = getattr(options, "not_for_others", None)
                if message is not None and block[key] is not False:
                    raise UserError(f"{PATH}.{key}: {message.format(name=cls.registered_name)}")
            block = {key: value for key, value in block.items() if key not in foreign or value is not False}
        return cls.dc_options_class.from_block(block, PATH)


def register(name: str) -> Callable[[Wrapper], Wrapper]:
    """Return a decorator that registers a wrapper with fairchem: ``dc_`` and the stock model's own name.

    Args:
        name: the name for ``model.name`` in configs.
    """

    def decorate(wrapper: Wrapper) -> Wrapper:
        wrapper.registered_name = name
        if wrapper.has_native:
            _native_names.add(name)
        wrapper.stock_class = next(base for base in wrapper.__mro__ if not issubclass(base, DCModel))
        common = {field.name for field in dataclasses.fields(DCOptions)}
        options = wrapper.dc_options_class
        _extra_keys.update({f.name: options for f in dataclasses.fields(options) if f.name not in common})
        return registry.register_model(name)(wrapper)

    return decorate


def all_options() -> list[type[DCOptions]]:
    """Return the classes of the options of all wrappers."""
    import_all()
    return [DCOptions, *dict.fromkeys(_extra_keys.values())]


def surgery_report(model: nn.Module) -> Report | None:
    """Return the report of a model's surgery, or None for a stock model."""
    return getattr(model, "dc_report", None)


def _parameters(stock: Any) -> list[inspect.Parameter]:
    parameters = list(inspect.signature(stock.__init__).parameters.values())[1:]  # without self
    return [parameter for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD]
