"""`tfds:MODULE`: a dataset of tensorflow-datasets that a module of the user's own defines."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import tensorflow_datasets as tfds

from tfgan2.data import records
from tfgan2.data.dataset import ImageDataset
from tfgan2.data.download import quiet
from tfgan2.data.naming import split_module
from tfgan2.data.request import Request
from tfgan2.errors import UserError, unknown

_FORMS = "give tfds:MODULE, tfds:FILE.py or tfds:DIR, perhaps with :NAME/CONFIG"


def load(request: Request) -> ImageDataset:
    """Imports the module, and loads its dataset as any other of tensorflow-datasets."""
    if not request.path:
        raise UserError(f"tfds: lacks its module: {_FORMS}")
    place, name = split_module(request.path)
    with quiet():
        builders = _builders(_imported(place))
    if not builders:
        raise UserError(
            f"'{place}' defines no dataset: give a module with a subclass of "
            "tfds.core.GeneratorBasedBuilder"
        )
    chosen, _, config = name.partition("/")
    if not chosen and len(builders) > 1:
        raise UserError(
            f"'{place}' defines {', '.join(builders)}: give one of them, as "
            f"tfds:{place}:{builders[0]}"
        )
    chosen = chosen or builders[0]
    if chosen not in builders:
        raise unknown(f"dataset of '{place}'", chosen, builders)
    dataset = records.load(replace(request, name=f"{chosen}/{config}" if config else chosen))
    held_out = dataset.held_out and replace(dataset.held_out, name=request.name)
    return replace(dataset, name=request.name, held_out=held_out)


def _imported(place: str) -> ModuleType:
    """Imports a module by its name or its path."""
    path = Path(place).expanduser().absolute()
    if path.is_dir():  # as `tfds new` makes it
        path = path / f"{path.name}_dataset_builder.py"
    is_path = path.suffix == ".py" or path.is_file()
    if is_path and not path.is_file():
        raise UserError(f"'{path}' does not exist: {_FORMS}")
    folder, name = Path.cwd(), place
    if is_path:
        in_package = (path.parent / "__init__.py").is_file()
        folder = path.parents[1] if in_package else path.parent
        name = f"{path.parent.name}.{path.stem}" if in_package else path.stem
    try:
        with _importing(folder):
            module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and name.startswith(error.name):
            raise UserError(f"there is no Python module {name!r}: {_FORMS}") from error
        raise UserError(f"'{place}' needs the Python module {error.name!r}: install it") from error
    except Exception as error:  # whatever its code raises
        raise UserError(f"'{place}' cannot be imported: {type(error).__name__}: {error}") from error
    if is_path and Path(module.__file__ or "") != path:
        raise UserError(f"another Python module is called {name!r}: rename '{path}'")
    return module


@contextlib.contextmanager
def _importing(folder: Path) -> Iterator[None]:
    """Lets modules of a folder be imported, as `python FILE` does."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _builders(module: ModuleType) -> list[str]:
    """Returns the names of the datasets that a module defines."""
    return [
        each.name  # type: ignore[attr-defined]
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, tfds.core.DatasetBuilder)
        and not inspect.isabstract(each)
        and each.__module__.partition(".")[0] == module.__name__.partition(".")[0]
    ]
