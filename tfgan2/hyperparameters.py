"""A flavour's hyperparameters, read from its source: no TensorFlow is imported.

The constructor's signature and docstring are the one place where they are written down. Griffe
reads both without running the file, so `tfgan2 info` answers at once, and a mistyped `--set` is
told before TensorFlow has been loaded.
"""

from __future__ import annotations

import ast
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import griffe

from tfgan2 import registry
from tfgan2.errors import UserError, unknown

# Set by the dataset and by --seed, not by --set.
NOT_SETTABLE = (
    *("image_shape", "num_classes", "input_channels", "vocabulary", "caption_length", "captions"),
    "seed",
)


@dataclass(frozen=True)
class Hyperparameter:
    """One argument of a flavour's constructor.

    Attributes:
        name: as in the signature.
        type: its annotation's source, for example "float | None".
        default: the default's source, or "" where there is none.
        help: what the docstring says of it, on one line.
        choices: the values that a Literal allows, or ().
    """

    name: str
    type: str
    default: str
    help: str
    choices: tuple[str, ...] = ()

    def parse(self, text: str) -> Any:
        """The value that `--set name=text` means.

        Raises:
            UserError: the text is no value of this type; the message says what would be.
        """
        if self.choices:
            if text in self.choices:
                return text
            raise unknown(f"value of {self.name}", text, self.choices)
        kinds = [kind.strip() for kind in self.type.split("|")]
        if "None" in kinds and text.lower() == "none":
            return None
        wanted = next(kind for kind in kinds if kind != "None")
        try:
            if wanted == "bool":
                return {"true": True, "false": False}[text.lower()]
            if wanted == "int":
                return int(text)
            if wanted == "float":
                return float(text)
            if wanted == "str":
                return text
            return ast.literal_eval(text)
        except (KeyError, ValueError, SyntaxError):
            likes = {"bool": "true or false", "int": "a whole number", "float": "a number"}
            raise UserError(
                f"{self.name} must be {likes.get(wanted, f'of type {wanted}')}, not {text!r}"
            ) from None


def _read_class(path: str) -> griffe.Class | None:
    """The class at "package.module.Class" from its source, or None where there is no such file."""
    module_name, _, class_name = path.rpartition(".")
    try:
        spec = find_spec(module_name)
    except ModuleNotFoundError:
        return None
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        return None
    file = Path(spec.origin)
    module = griffe.visit(module_name, filepath=file, code=file.read_text(encoding="utf-8"))
    found = module.members.get(class_name)
    return found if isinstance(found, griffe.Class) else None


def _chain(flavour: registry.Flavour) -> Iterator[griffe.Class]:
    """The flavour's class and its bases, as far as they have a say in the constructor."""
    path = f"{flavour.module}.{flavour.class_name}"
    while True:
        cls = _read_class(path)
        if cls is None:
            return
        yield cls
        if not cls.bases:
            return
        first, dot, rest = str(cls.bases[0]).partition(".")
        path = cls.module.imports.get(first, f"{cls.module.path}.{first}") + dot + rest
        if path.partition(".")[0] in ("keras", "tensorflow"):  # finding them would import them
            return


def _plain(text: str) -> str:
    return " ".join(text.split())


def hyperparameters(name: str) -> dict[str, Hyperparameter]:
    """What `--set` may change in a flavour.

    Args:
        name: the flavour.

    Returns:
        By name, in the order of the signatures: the flavour's own first, then what it shares.

    Raises:
        UserError: no such flavour, or its source was not found.
    """
    logging.getLogger("griffe").setLevel(logging.CRITICAL)  # remarks on docstring style
    flavour = registry.find(name)
    found: dict[str, Hyperparameter] = {}
    for cls in _chain(flavour):
        init = cls.members.get("__init__")
        if not isinstance(init, griffe.Function):
            continue
        helps: dict[str, str] = {}
        if init.docstring:
            for section in init.docstring.parse("google"):
                if section.kind is griffe.DocstringSectionKind.parameters:
                    helps = {item.name: _plain(item.description) for item in section.value}
        for parameter in init.parameters:
            skip = parameter.name in ("self", *NOT_SETTABLE) or parameter.name in found
            if skip or parameter.kind is griffe.ParameterKind.var_keyword:
                continue
            annotation = str(parameter.annotation or "str")
            literal = re.search(r"Literal\[(.*?)\]", annotation)
            choices = ast.literal_eval(f"({literal[1]},)") if literal else ()
            found[parameter.name] = Hyperparameter(
                name=parameter.name,
                type=annotation,
                default="" if parameter.default is None else str(parameter.default).strip("'\""),
                help=helps.get(parameter.name, ""),
                choices=tuple(str(choice) for choice in choices),
            )
    if not found:
        raise UserError(f"flavour {name!r}: no source found for {flavour.target}")
    return found


def data_kind(name: str) -> str:
    """The kind of samples that a flavour trains on, one of `tfgan2.data.KINDS`.

    Raises:
        UserError: no such flavour.
    """
    for cls in _chain(registry.find(name)):
        found = cls.members.get("data_kind")
        if isinstance(found, griffe.Attribute) and found.value is not None:
            return str(ast.literal_eval(str(found.value)))
    return "images"


def parse_settings(name: str, settings: Iterable[str]) -> dict[str, Any]:
    """What `--set key=value` options say.

    Args:
        name: the flavour.
        settings: the options' texts.

    Returns:
        Arguments for the flavour's constructor.

    Raises:
        UserError: no "=", an unknown key (the closest are offered), or a value of a wrong type.
    """
    known = hyperparameters(name)
    values = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        key = key.strip().replace("-", "_")
        if not equals:
            raise UserError(f"--set takes key=value, not {setting!r}")
        if key not in known:
            raise unknown(f"hyperparameter of {name}", key, known)
        values[key] = known[key].parse(text.strip())
    return values


def description(name: str) -> str:
    """The docstring of the flavour's class.

    Raises:
        UserError: no such flavour.
    """
    cls = next(_chain(registry.find(name)), None)
    return cls.docstring.value if cls is not None and cls.docstring else ""
