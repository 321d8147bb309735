"""The flavours by name, and what their source says of them. Imports no TensorFlow for either.

A flavour of this package is one line in `FLAVOURS`. Another package adds its own by an entry point
in the group `tfgan2.flavours`, name -> "module:Class".
"""

from __future__ import annotations
import __future__

import ast
import contextlib
import copy
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.metadata import entry_points
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfgan2.errors import UserError, unknown
from tfgan2.hyperparameters import Option

if TYPE_CHECKING:
    from tfgan2.models.base import GenerativeModel

ENTRY_POINT_GROUP = "tfgan2.flavours"

FLAVOURS = {
    "gan": "tfgan2.models.gan:GAN",
    "dcgan": "tfgan2.models.dcgan:DCGAN",
    "cgan": "tfgan2.models.cgan:CGAN",
    "acgan": "tfgan2.models.acgan:ACGAN",
    "infogan": "tfgan2.models.infogan:InfoGAN",
    "lsgan": "tfgan2.models.lsgan:LSGAN",
    "wgan": "tfgan2.models.wgan:WGAN",
    "wgan-gp": "tfgan2.models.wgan_gp:WGANGP",
    "dragan": "tfgan2.models.dragan:DRAGAN",
    "began": "tfgan2.models.began:BEGAN",
    "sngan": "tfgan2.models.sngan:SNGAN",
    "projection": "tfgan2.models.projection:ProjectionGAN",
    "sagan": "tfgan2.models.sagan:SAGAN",
    "biggan": "tfgan2.models.biggan:BigGAN",
    "reacgan": "tfgan2.models.reacgan:ReACGAN",
    "stylegan2": "tfgan2.models.stylegan2:StyleGAN2",
    "fastgan": "tfgan2.models.fastgan:FastGAN",
    "projected": "tfgan2.models.projected:ProjectedGAN",
    "r3gan": "tfgan2.models.r3gan:R3GAN",
    "vae": "tfgan2.models.vae:VAE",
    "student": "tfgan2.models.student:Student",
    "pix2pix": "tfgan2.models.pix2pix:Pix2Pix",
    "cyclegan": "tfgan2.models.cyclegan:CycleGAN",
    "inpainting": "tfgan2.models.inpainting:Inpainting",
    "srgan": "tfgan2.models.srgan:SRGAN",
    "stackgan": "tfgan2.models.stackgan:StackGAN",
}

_LIGHT_MODULES = (
    "operator",
    "tfgan2.hyperparameters",
    "tfgan2.models.options",
    "tfgan2.networks",
    "tfgan2.networks.sizes",
)


@cache
def flavours() -> dict[str, str]:
    """All flavours, name -> "module:Class", first ours, which win a clash of names."""
    others = {item.name: item.value for item in entry_points(group=ENTRY_POINT_GROUP)}
    return FLAVOURS | others | FLAVOURS


def find(name: str) -> tuple[str, str]:
    """Module and class of a flavour.

    Raises:
        UserError: no flavour has that name; the message offers the closest names.
    """
    if not isinstance(name, str):
        raise UserError(
            f"a flavour is given by its name, not as {name!r}: give a class of your own a name by "
            f"an entry point in the group {ENTRY_POINT_GROUP!r}"
        )
    if name not in flavours():
        flavours.cache_clear()  # its package may have been installed since, in a notebook
    if name not in flavours():
        raise unknown("flavour", name, flavours())
    module, _, class_name = flavours()[name].partition(":")
    return module, class_name


def load_class(name: str) -> type[GenerativeModel]:
    """The flavour's class; imports TensorFlow.

    Raises:
        UserError: no flavour has that name, or its module does not define the class.
    """
    module, class_name = find(name)
    target = flavours()[name]
    try:
        flavour = getattr(import_module(module), class_name)
    except (ImportError, AttributeError, SyntaxError) as error:
        if name in FLAVOURS:
            raise
        raise UserError(f"flavour {name!r} ({target}) cannot be loaded: {error}") from error
    if not hasattr(flavour, "Config"):
        raise UserError(
            f"flavour {name!r} ({target}) is no flavour: derive it from LatentGAN or another class "
            "of tfgan2.models"
        )
    return flavour


def create(name: str, **hyperparameters: Any) -> GenerativeModel:
    """Makes a model.

    Args:
        name: a flavour, for example "dcgan"; `tfgan2 models` lists them.
        **hyperparameters: the arguments of its constructor, at least `image_shape`, (height, width,
            channels); `tfgan2 info NAME` lists them.

    Returns:
        A `tf.keras.Model`, built but not compiled.

    Raises:
        UserError: an unknown flavour or hyperparameter, or a value that is not possible.
    """
    return load_class(name)(**hyperparameters)


# --- what the source says ------------------------------------------------------------------------


Source = tuple[dict[str, ast.ClassDef], dict[str, tuple[str, str]], list[ast.Assign]]


def _source_file(module: str) -> Path:
    """The file of a module; its packages are not imported, which may import TensorFlow."""
    name, *rest = module.split(".")
    spec = find_spec(name)
    for part in rest:
        folders = (spec.submodule_search_locations if spec else None) or []
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, folders)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"No module named {module!r}")
    return Path(spec.origin)


@cache
def read_source(module: str) -> Source:
    """The classes of a module, what it imports, name -> (module, name there), and its constants.

    Constants are assignments of literals.
    """
    path = _source_file(module)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    tree = ast.parse(path.read_bytes())
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    imports = {
        alias.asname or alias.name: (
            resolve_name("." * node.level + (node.module or ""), package),
            alias.name,
        )
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    constants = [node for node in tree.body if isinstance(node, ast.Assign) and _is_literal(node)]
    return classes, imports, constants


def _is_literal(node: ast.Assign) -> bool:
    try:
        ast.literal_eval(node.value)
    except ValueError:
        return False
    return True


def _definition(module: str, name: str) -> tuple[str, str]:
    """The module that defines a class, and its name there, where `module` may import it."""
    if module == "tfgan2.models":
        return import_module(module).MODULES[name], name
    classes, imports, _ = read_source(module)
    return (module, name) if name in classes else _definition(*imports[name])


@cache
def _outline(module: str, name: str, *, whole: bool = False) -> type:
    """A class without TensorFlow: only its docstring, `data_kind` and `Config`, and its bases.

    A class of options, which a `Config` derives from, is `whole`.

    The body of `Config` may use constants, and what the module imports from `_LIGHT_MODULES`.
    """
    classes, imports, constants = read_source(module)
    node = copy.copy(classes[name])
    nested = [item for item in node.body if isinstance(item, ast.ClassDef)]
    config = [item for item in nested if item.name == "Config"]
    names: dict[str, Any] = {"__name__": module}
    for alias, (source, original) in imports.items():
        if source in _LIGHT_MODULES:
            names[alias] = getattr(import_module(source), original, None)
    node.bases = [base for base in node.bases if not ast.unparse(base).startswith("keras.")]
    bases = [(base, whole) for base in node.bases]
    bases += [(base, True) for item in config for base in item.bases]
    for base, of_options in bases:
        root, dot, _ = ast.unparse(base).partition(".")
        if root not in names:
            found = _definition(*((module, root) if root in classes else imports[root]))
            names[root] = _outline(*found, whole=of_options and not dot)
    kept = ("data_kind", "Config", "'", '"')
    if not whole:
        body = [item for item in node.body if ast.unparse(item).startswith(kept)]
        node.body = [*body, *config] or [ast.Pass()]
    flags = __future__.annotations.compiler_flag
    exec(compile(ast.Module([*constants, node], []), module, "exec", flags), names)
    return names[name]


def outline(name: str) -> Any:
    """The flavour's class, or a stand-in with its docstring, `data_kind` and `Config`.

    TensorFlow is imported only if these need more of the flavour's module than its source.

    Raises:
        UserError: no such flavour, or it cannot be loaded.
    """
    module, class_name = find(name)
    problems = (AttributeError, ImportError, KeyError, NameError, OSError, SyntaxError, TypeError)
    with contextlib.suppress(*problems):
        found = _outline(*_definition(module, class_name))
        if hasattr(found, "Config"):
            return found
    return load_class(name)


def summary(name: str) -> str:
    """The first line of the flavour's docstring, and the module of one that is not ours."""
    module, class_name = find(name)
    try:
        source, defined = _definition(module, class_name)
        text = ast.get_docstring(read_source(source)[0][defined])
    except (ImportError, KeyError, OSError, SyntaxError):
        text = None
    line = (text or flavours()[name]).splitlines()[0]
    return line if name in FLAVOURS else f"{line} ({module})"


def apply_preset(
    name: str, chosen: str, hyperparameters: dict[str, Any], options: dict[str, Any]
) -> Mapping[str, Any]:
    """Adds the values of a flavour's preset to hyperparameters and training options without them.

    Returns:
        All values of the preset, by name.

    Raises:
        UserError: the flavour has no such preset; the message names those it has.
    """
    presets = outline(name).Config.presets
    if chosen not in presets:
        *first, last = presets or ("none",)
        known = f"{', '.join(first)} and {last}" if first else last
        raise UserError(f"{name} has no preset {chosen!r}: it has {known}")
    for key, value in presets[chosen].items():
        is_option = key not in outline(name).Config.options
        (options if is_option else hyperparameters).setdefault(key, value)
    return presets[chosen]


def check_preset(name: str, chosen: str, image_shape: Sequence[int]) -> None:
    """Raises a UserError if a preset of a flavour has no values for images of this shape."""
    values, (height, width, *_) = outline(name).Config.presets[chosen], image_shape
    if values.up_to and max(height, width) > values.up_to:
        raise UserError(
            f"the preset {chosen} of {name} has values for images {values.sizes}, not "
            f"{height}x{width}",
            f": give --image-size {values.up_to}, or leave the preset out",
        )


def hyperparameters(name: str) -> dict[str, Option]:
    """The options of a flavour that `--set` may change, by name: its own first, then shared ones.

    Raises:
        UserError: no such flavour, or it cannot be loaded.
    """
    return {key: item for key, item in outline(name).Config.options.items() if item.settable}


def parse_settings(name: str, settings: Iterable[str]) -> dict[str, Any]:
    """Arguments for the flavour's constructor from the texts of `--set key=value`.

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
