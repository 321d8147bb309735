"""Hyperparameters as data: each is declared once, in the `Config` of the class it belongs to.

    class WGANGP(LatentGAN):
        class Config(LatentGAN.Config):
            d_steps: int = 5
            penalty_weight: float = option(10.0, "weight of the gradient penalty", at_least=0)

The constructor's arguments, the checks, `tfgan2 info`, `--set`, `config.json` and the tables in the
docs come from this declaration. A subclass inherits the options of its bases; a plain value, as for
`d_steps`, changes the default alone. A `Config` declares the flavour's presets, too, which fill in
hyperparameters and training options:

        paper = preset(network="resnet", steps=100_000)

Imports no TensorFlow.
"""

from __future__ import annotations

import ast
import inspect
import numbers
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from tfgan2.errors import UserError, unknown

PRESETS = {
    "few": "fewer than 1,000 images",
    "cpu": "about 20 minutes on 2 cores, at 32x32 pixels",
    "paper": "the paper's values where the defaults differ",
}
"""What the common presets are for, by name."""

_REQUIRED: Any = object()
_INHERITED: Any = object()
_KINDS: dict[str, tuple[Any, str]] = {
    "bool": (bool, "true or false"),
    "int": (numbers.Integral, "a whole number"),
    "float": (numbers.Real, "a number"),
    "str": (str, "a text"),
    "list[str]": ((list, tuple), "a list of names"),
}


@dataclass(frozen=True)
class Option:
    """One hyperparameter.

    Attributes:
        default: its value where none is given; None: `Config.resolve` computes it.
        help: one line: what the value does, and its unit.
        at_least: smallest possible value of a number.
        at_most: largest possible value.
        choices: the possible values.
        from_data: computes the value from the facts of a dataset, see `ImageDataset.facts`; `--set`
            cannot change such an option.
        name: the attribute's name in `Config`.
        type: the attribute's annotation, for example "int | None".
        by_network: other defaults: value of the option `network` -> default.
    """

    default: Any = _REQUIRED
    help: str = ""
    at_least: float = 0
    at_most: float | None = None
    choices: Collection[Any] | None = None
    from_data: Callable[[Mapping[str, Any]], Any] | None = None
    name: str = ""
    type: str = ""
    by_network: Mapping[str, Any] | None = None

    @property
    def settable(self) -> bool:
        """True if `--set` may change it."""
        return self.from_data is None and self.name != "seed"

    @property
    def kinds(self) -> list[str]:
        """The alternatives of the type."""
        return [kind.strip() for kind in self.type.split("|")]

    @property
    def optional(self) -> bool:
        """True if the value may be None."""
        return self.default is None or "None" in self.kinds

    def default_text(self) -> str:
        """The default for people, for example "100 (32 with network=tutorial)"."""
        default = str(self.default)
        default = default.lower() if default in ("None", "True", "False") else default
        others = [f"{value} with network={name}" for name, value in (self.by_network or {}).items()]
        return f"{default} ({', '.join(others)})" if others else default

    def checked(self, value: Any) -> Any:
        """Returns a value as one of this type; a UserError unless it is possible.

        NumPy's numbers become Python's, paths texts, and texts with commas lists of texts.
        """
        if value is None and self.optional:
            return None
        if self.kinds[0] == "str" and isinstance(value, os.PathLike):
            value = os.fspath(value)
        if self.kinds[0] == "list[str]":
            value = _listed(value)
        kind: Any
        kind, words = _KINDS.get(self.kinds[0], (object, ""))
        if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
            raise UserError(f"{self.name} must be {words}, not {value!r}")
        if self.choices is not None and value not in self.choices:
            if isinstance(value, str):
                raise unknown(self.name, value, self.choices)
            allowed = ", ".join(map(str, self.choices))
            raise UserError(f"{self.name} must be one of {allowed}, not {value!r}")
        low, high = self.at_least, self.at_most
        number = self.choices is None and isinstance(value, numbers.Real)
        if number and not (value >= low and (high is None or value <= high)):
            bounds = f"at least {low:g}" if high is None else f"from {low:g} to {high:.10g}"
            raise UserError(f"{self.name} must be {bounds}, not {value:g}")
        convert = {numbers.Integral: int, numbers.Real: float}.get(kind)
        return convert(value) if convert else value

    def parse(self, text: str) -> Any:
        """Returns the value of `--set name=text`.

        Raises:
            UserError: the text is not a value of this type.
        """
        if self.optional and text.lower() in ("none", "auto"):
            return None
        if self.choices is not None:
            named = {str(choice): choice for choice in self.choices}
            if text not in named:
                raise unknown(self.name, text, named)
            return named[text]
        kind = self.kinds[0]
        try:
            if kind == "bool":
                return {"true": True, "false": False}[text.lower()]
            return {"int": int, "float": float, "str": str}.get(kind, ast.literal_eval)(text)
        except (KeyError, ValueError, SyntaxError):
            words = _KINDS.get(kind, (object, f"of type {kind}"))[1]
            raise UserError(f"{self.name} must be {words}, not {text!r}") from None


def _listed(value: Any) -> Any:
    """Returns a text with commas, or an array of NumPy, as a list of Python's values."""
    if isinstance(value, str):
        return [word.strip() for word in value.split(",") if word.strip()]
    value = value.tolist() if hasattr(value, "tolist") else value
    if not isinstance(value, list | tuple):
        return value
    return type(value)(item.item() if hasattr(item, "item") else item for item in value)


def option(
    default: Any = _INHERITED,
    help: str = _INHERITED,
    *,
    at_least: float = _INHERITED,
    at_most: float | None = _INHERITED,
    choices: Collection[Any] | None = _INHERITED,
    **by_network: Any,
) -> Any:
    """Declares an option in the body of a `Config`; the arguments are those of `Option`.

    What is left out stays as in the base class that declares an option of the same name.
    `by_network` are the defaults for other architectures: `option(100, tutorial=32)`.
    """
    given = {"default": default, "help": help, "at_least": at_least, "at_most": at_most}
    given |= {"choices": choices, "by_network": by_network or _INHERITED}
    return {key: value for key, value in given.items() if value is not _INHERITED}


def data_option(help: str, from_data: Callable[[Mapping[str, Any]], Any], **given: Any) -> Any:
    """Declares an option whose value the dataset decides."""
    return {"help": help, "from_data": from_data, **given}


class Preset(dict[str, Any]):
    """Values of hyperparameters and of training options, by name.

    Attributes:
        up_to: largest edge of the images that the values are for; None: any.
    """

    def __init__(self, values: Mapping[str, Any], up_to: int | None = None) -> None:
        super().__init__(values)
        self.up_to = up_to

    @property
    def sizes(self) -> str:
        """The sizes of images in words, for example "up to 32x32 pixels"; empty for any."""
        return f"up to {self.up_to}x{self.up_to} pixels" if self.up_to else ""


def preset(*, up_to: int | None = None, **values: Any) -> Preset:
    """Declares a preset in the body of a `Config`; it adds to that of the same name in a base."""
    return Preset(values, up_to)


class Hyperparameters:
    """Base class of every `Config`.

    Attributes:
        options: the options by name, the class's own first, then the inherited ones.
        presets: values of hyperparameters and of training options, by the name of the preset.
    """

    options: ClassVar[dict[str, Option]] = {}
    presets: ClassVar[dict[str, Preset]] = {}
    _own: ClassVar[dict[str, Option]] = {}

    def __init_subclass__(cls) -> None:
        inherited: dict[str, Option] = {}
        for base in reversed(cls.__mro__[1:]):
            inherited |= vars(base).get("_own", {})
        cls._own = {}
        for name, annotation in inspect.get_annotations(cls).items():
            given = vars(cls).get(name, _REQUIRED)
            fields = given if isinstance(given, dict) else {"default": given, "by_network": None}
            kind = getattr(annotation, "__name__", str(annotation))
            cls._own[name] = replace(inherited.get(name, Option()), **fields, name=name, type=kind)
        known = inherited | cls._own
        names = [name for base in cls.__mro__ for name in vars(base).get("_own", {})]
        cls.options = {name: known[name] for name in names}
        cls.presets = {}
        for base in reversed(cls.__mro__):
            for name, values in vars(base).items():
                if isinstance(values, Preset):
                    before = cls.presets.get(name, Preset({}))
                    cls.presets[name] = Preset(before | values, values.up_to or before.up_to)

    def __init__(self, **values: Any) -> None:
        """Takes values by the names of the options; those left out have their defaults.

        Raises:
            UserError: an unknown name, a missing or an impossible value.
        """
        for name in values:
            if name not in self.options:
                raise unknown("hyperparameter", name, self.options)
        network = values.get("network", self.options.get("network", Option()).default)
        for name, item in self.options.items():
            by_network: Mapping[Any, Any] = item.by_network or {}
            value = values.get(name, by_network.get(network, item.default))
            if value is _REQUIRED:
                raise UserError(f"{name} is missing: {item.help}")
            value = item.checked(value)
            setattr(self, name, tuple(value) if isinstance(value, list) else value)
        self.resolve()

    def resolve(self) -> None:
        """Computes the options that are None, and checks what several options decide together.

        A subclass that overrides it calls `super().resolve()`.
        """

    def default(self, name: str, value: Any) -> None:
        """Sets an option that is None."""
        if getattr(self, name) is None:
            setattr(self, name, value)

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        return ((name, getattr(self, name)) for name in self.options)
