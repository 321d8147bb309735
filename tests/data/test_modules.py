"""Datasets that modules of the user's own define for tensorflow-datasets."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tfgan2.data import absolute_name, load_dataset, missing_place
from tfgan2.errors import UserError
from tfgan2.options import DataOptions

CODE = '''
import numpy as np
import tensorflow_datasets as tfds


class {name}(tfds.core.GeneratorBasedBuilder):
    """Squares of one grey value."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=each) for each in ("dark", "light")]

    def _info(self):
        return {info}(
            builder=self,
            features=tfds.features.FeaturesDict(
                {{
                    "image": tfds.features.Image(shape=(8, 8, 1)),
                    "label": tfds.features.ClassLabel(names=["even", "odd"]),
                }}
            )
        )

    def _split_generators(self, dl_manager):
        return {{"train": self._generate_examples(6), "test": self._generate_examples(2)}}

    def _generate_examples(self, count):
        first = 200 if self.builder_config.name == "light" else 0
        for number in range(count):
            yield number, {{
                "image": np.full((8, 8, 1), first + number, np.uint8),
                "label": number % 2,
            }}
'''
numbers = itertools.count()


@pytest.fixture
def name() -> Iterator[str]:
    """A name of its own for each test: tensorflow-datasets registers each once."""
    path, modules = list(sys.path), set(sys.modules)
    yield f"squares{next(numbers)}"
    assert sys.path == path
    for module in set(sys.modules) - modules:
        if module.startswith("squares"):
            del sys.modules[module]


def write(path: Path, *names: str, info: str = "tfds.core.DatasetInfo") -> Path:
    path.parent.mkdir(exist_ok=True)
    classes = (CODE.format(name=name.title(), info=info) for name in names)
    path.write_text("".join(classes), encoding="utf-8")
    return path


def values(dataset: object) -> list[int]:
    images = dataset.some(6)[0]
    return sorted(np.rint((images[:, 0, 0, 0] + 1) * 127.5).astype(int).tolist())


def test_a_file(tmp_path: Path, name: str) -> None:
    file = write(tmp_path / f"{name}.py", name)
    dataset = load_dataset(f"tfds:{file}", data_dir=str(tmp_path))
    assert values(dataset) == [0, 1, 2, 3, 4, 5]
    assert dataset.name == f"tfds:{file}" and dataset.class_names == ("even", "odd")
    assert values(load_dataset(f"tfds:{file}:{name}/light", data_dir=str(tmp_path)))[0] == 200
    held = load_dataset(f"tfds:{file}", data_dir=str(tmp_path), hold_out=2)
    assert held.held_out is not None and held.held_out.num_images == 2
    assert load_dataset(f"tfds:{file}", data_dir=str(tmp_path), split="test").num_images == 2


def test_a_module(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the working directory, in a package."""
    write(tmp_path / name / "inner.py", f"{name}Inner").with_name("__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    dataset = load_dataset(f"tfds:{name}.inner", data_dir=str(tmp_path))
    assert values(dataset) == [0, 1, 2, 3, 4, 5]


def test_a_folder_of_tfds_new(tmp_path: Path, name: str) -> None:
    file = tmp_path / name / f"{name}_dataset_builder.py"
    info = "(lambda builder, **values: builder.dataset_info_from_configs(**values))"
    write(file, "Builder", info=info).with_name("__init__.py").touch()
    dataset = load_dataset(f"tfds:{tmp_path / name}", data_dir=str(tmp_path))
    assert dataset.num_images == 6


def test_paths_become_absolute(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / f"{name}.py", name)
    monkeypatch.chdir(tmp_path)
    assert absolute_name(f"tfds:{name}.py") == f"tfds:{tmp_path / name}.py"
    for given in (f"./{name}.py:x/y", f"{name}.py:x/y", f"{tmp_path / name}.py:x/y"):
        absolute = absolute_name(f"tfds:{given}")
        assert absolute == f"tfds:{tmp_path / name}.py:x/y"
        assert not missing_place(DataOptions(absolute))
    gone = f"{tmp_path}/gone.py"
    assert missing_place(DataOptions(f"tfds:{gone}:x")) == gone
    assert absolute_name(f"tfds:{name}") == f"tfds:{name}"


def test_what_is_wrong_is_said(tmp_path: Path, name: str) -> None:
    file = write(tmp_path / f"{name}.py", name, f"{name}Other")
    empty = tmp_path / f"{name}_empty.py"
    empty.touch()
    broken = tmp_path / f"{name}_broken.py"
    broken.write_text("1 / 0", encoding="utf-8")
    lacking = tmp_path / f"{name}_lacking.py"
    lacking.write_text("import no_such_module", encoding="utf-8")
    same = write(tmp_path / "json.py", f"{name}Json")
    for given, message in (
        ("", "tfds: lacks its module: give tfds:MODULE"),
        ("no.such.module", "there is no Python module 'no.such.module': give"),
        (f"{tmp_path}/no.py", "no.py' does not exist: give"),
        (str(empty), "defines no dataset: give a module with a subclass"),
        (str(broken), "cannot be imported: ZeroDivisionError: division by zero"),
        (str(lacking), "needs the Python module 'no_such_module': install it"),
        (str(file), f"give one of them, as tfds:{file}:{name}"),
        (f"{file}:{name}x", f"did you mean '{name}'"),
        (f"{file}:{name}/lite", "unknown configuration"),
        (str(same), "another Python module is called 'json': rename"),
    ):
        with pytest.raises(UserError) as error:
            load_dataset(f"tfds:{given}", data_dir=str(tmp_path))
        assert message in str(error.value) and "\n" not in str(error.value)
