"""`hf:NAME` and `hf-captions:NAME`: datasets of the Hugging Face Hub, or folders of its kinds.

They are read by the library `datasets`, which downloads them, keeps them as Arrow tables, and runs
no code of a dataset.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from tfgan2.data.dataset import ImageDataset
from tfgan2.data.folders.files import Files
from tfgan2.data.request import Request, build
from tfgan2.errors import UserError
from tfgan2.images.files import UnreadableImageError, read_content, read_image
from tfgan2.images.survey import survey

DEFAULT_SPLIT = "train"
DEFAULT_SIZE = 64
LARGEST_NATIVE_SIZE = 128
"""Images that are all square and of one size keep it up to this edge."""
IMAGE_NAMES = ("image", "img")
CAPTION_NAMES = ("caption", "captions", "text", "sentence", "sentences", "description")
_TIMEOUT = 5


def load(request: Request) -> ImageDataset:
    """Loads the images of a dataset, with its labels if it has any."""
    images = _Images(request)
    known, labels = _labels(images.rows)
    return build(
        request,
        images.count,
        images.part,
        known=known,
        labels=labels,
        copies=images.copies,
        called=images.names,
    )


def load_captions(request: Request) -> ImageDataset:
    """Loads the images of a dataset with its captions."""
    from tfgan2.data.folders.caption_files import checked
    from tfgan2.data.folders.caption_formats import Entry
    from tfgan2.data.folders.captions import with_captions

    images = _Images(request)
    columns = images.rows.features
    name = next((name for name in CAPTION_NAMES if name in columns), None)
    if name is None:
        raise UserError(
            f"{request.name} has the columns {', '.join(columns)}: captions must be called caption "
            "or text"
        )
    captions = [
        checked(Entry(f"{request.name}, row {number}", f"image {number}", value)).captions
        for number, value in enumerate(images.rows[name])
    ]
    add = with_captions(captions)

    def part(numbers: np.ndarray, labels: np.ndarray | None) -> ImageDataset:
        dataset = images.part(numbers, numbers)
        left_out = set(dataset.skipped)
        chosen = [captions[each] for each in numbers if images.names[each] not in left_out]
        return add(replace(dataset, content=[*dataset.content, chosen]))

    return build(request, images.count, part, copies=images.copies)


class _Images:
    """The encoded images of a split, found by their numbers.

    `rows` is the `datasets.Dataset`, whose images are not decoded; messages call them by `names`.
    """

    def __init__(self, request: Request) -> None:
        self._request = request
        rows = _opened(request)
        self._column = _image_column(request.name, rows)
        self.rows = rows.cast_column(self._column, _library().Image(decode=False))
        self._encoded = self.rows.select_columns(self._column)  # other images would be decoded
        self.count = len(rows)
        self.names = [f"image {number}" for number in range(self.count)]
        self._digests = np.arange(self.count).astype("S16")
        readers = [partial(self._read, number) for number in range(self.count)]
        progress = partial(request.in_threads, text="surveying images")
        self._survey = found = survey(readers, request.ranges, progress)
        size = found.size
        native = size is not None and size[0] == size[1] <= LARGEST_NATIVE_SIZE
        edges = request.edges(size[0] if native and size else DEFAULT_SIZE)
        self._shape = (*edges, request.channels or found.channels)

    def _read(self, number: int) -> bytes:
        value = self._encoded[number][self._column]
        if value is None and not self._request.skip_unreadable:
            raise UserError(
                f"image {number} of {self._request.name} is missing: filter it out",
                ", or give --skip-unreadable",
            )
        if value is None:
            raise UnreadableImageError("it is missing")
        content: bytes = value["bytes"] or read_content(Path(value["path"]))
        self._digests[number] = hashlib.blake2b(content, digest_size=16).digest()
        return content

    def _decode(self, number: int) -> np.ndarray:
        size, channels, ranges = self._shape[:2], self._shape[2], self._survey.ranges
        return read_image(self._read(number), size=size, channels=channels, ranges=ranges)

    def part(self, numbers: np.ndarray, labels: np.ndarray | None) -> ImageDataset:
        """Returns a dataset of the images with these numbers, or of those that can be read."""
        from tfgan2.data.sources import decoded_source, empty_images, memory_source

        request, shape = self._request, self._shape
        in_memory = request.fits_memory(len(numbers), shape)
        images = empty_images((len(numbers) if in_memory else 0, *shape))
        files = Files(Path(), [self.names[number] for number in numbers])
        if in_memory or request.skip_unreadable:
            by_name = dict(zip(files.paths, numbers.tolist(), strict=True))

            def read(name: str) -> np.ndarray:
                return self._decode(by_name[name])

            kept: list[int] = []
            for index, image in files.read(read, "reading images", request):
                if in_memory:
                    images[len(kept)] = image
                kept.append(index)
            numbers, labels = numbers[kept], None if labels is None else labels[kept]

        def decode(index: int) -> np.ndarray:
            try:
                return self._decode(int(numbers[index]))
            except UnreadableImageError as error:
                name = self.names[numbers[index]]
                raise UserError(f"{name} of {request.name} cannot be read: {error}") from error

        if in_memory:
            source = memory_source(images[: len(numbers)], labels)
        else:
            source = decoded_source(len(numbers), decode, shape, labels)
        content = ["hf", hashlib.sha256(self._digests[numbers].tobytes()).hexdigest()[:16]]
        dataset = ImageDataset(source, request.name, shape, content)
        return replace(dataset, surveys=(self._survey,), skipped=tuple(files.skipped))

    def copies(self) -> np.ndarray:
        """Returns a number for each image that its copies share."""
        return np.unique(self._digests, return_inverse=True)[1]


def _library() -> Any:
    try:
        import datasets
    except ImportError as error:
        raise UserError(
            "hf: needs the Python package 'datasets': install it, as pip install 'tfgan2[hub]' does"
        ) from error
    return datasets


def _opened(request: Request) -> Any:
    """Returns the `datasets.Dataset` of the request's split."""
    if not request.path:
        raise UserError("hf: lacks its name: give hf:NAME, hf:NAME:CONFIG or hf:DIR")
    datasets, split = _library(), request.split or DEFAULT_SPLIT
    folder = Path(request.path).expanduser()
    name, config = request.path, None
    if folder.exists():
        name = str(folder.absolute())
    elif name.startswith(("/", "~", ".")):
        raise UserError(f"folder {name!r} does not exist: give hf:DIR with an existing folder")
    else:
        name, _, config = name.partition(":")
    request.progress(f"loading {request.name}", 0, 1)
    with _quiet(datasets), _offline_if_unreachable(local=folder.exists()) as unreachable:
        try:
            if (folder / "state.json").is_file() or (folder / "dataset_dict.json").is_file():
                rows = _part(datasets, datasets.load_from_disk(name), request.split)
            else:
                rows = datasets.load_dataset(name, config or None, split=split)
        except Exception as error:  # of many kinds, several of them private
            advice = "check its name"
            if unreachable():
                advice = "the Hub cannot be reached, and no copy is here"
            elif split in str(error) or "Unknown split" in str(error):
                advice = "give another --split"
            line = " ".join(str(error).split())[:300]
            raise UserError(f"{request.name} cannot be loaded: {line}; {advice}") from error
    request.progress(f"loading {request.name}", 1, 1)
    if not len(rows):
        raise UserError(f"split {split!r} of {request.name} holds no images: choose another split")
    return rows


def _part(datasets: Any, saved: Any, split: str | None) -> Any:
    """Returns a split of what `save_to_disk` has written, which may have parts and sums."""
    if not isinstance(saved, dict):
        if split is None:
            return saved
        saved = {str(saved.split or DEFAULT_SPLIT): saved}
    sizes = {name: len(rows) for name, rows in saved.items()}
    parts = datasets.ReadInstruction.from_spec(split or DEFAULT_SPLIT).to_absolute(sizes)
    return datasets.concatenate_datasets(
        [saved[part.splitname].select(range(part.from_, part.to)) for part in parts]
    )


@contextlib.contextmanager
def _quiet(datasets: Any) -> Iterator[None]:
    """Keeps the library's bars and warnings off the terminal."""
    shown, level = datasets.is_progress_bar_enabled(), datasets.logging.get_verbosity()
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
    try:
        yield
    finally:
        datasets.logging.set_verbosity(level)
        if shown:
            datasets.enable_progress_bars()


@contextlib.contextmanager
def _offline_if_unreachable(*, local: bool) -> Iterator[Callable[[], bool]]:
    """Lets the libraries use their copies at once, where they would try for half a minute."""
    import datasets
    from huggingface_hub import constants, get_session

    def reachable() -> bool:
        try:
            get_session().head(constants.ENDPOINT, timeout=_TIMEOUT)
        except Exception:  # of the HTTP library in use
            return False
        return True

    modules: list[Any] = [datasets.config, constants]
    before = [module.HF_HUB_OFFLINE for module in modules]
    offline = local or any(before) or not reachable()
    for module in modules:
        module.HF_HUB_OFFLINE = offline
    try:
        yield lambda: offline and not local
    finally:
        for module, value in zip(modules, before, strict=True):
            module.HF_HUB_OFFLINE = value


def _image_column(name: str, rows: Any) -> str:
    """Returns the column of the images: "image", "img", or the only one."""
    kind = _library().Image
    found = [column for column, feature in rows.features.items() if isinstance(feature, kind)]
    found = [column for column in IMAGE_NAMES if column in found] or found
    if len(found) != 1:
        several = f"images under several names ({', '.join(found)})" if found else "no images"
        raise UserError(f"{name} holds {several}: choose a dataset with a column 'image'")
    return str(found[0])


def _labels(rows: Any) -> tuple[Sequence[str], np.ndarray | None]:
    """Returns the names of the classes and the label of each row; (), None without labels.

    Labels are the column "label", of classes or of whole numbers, or the only one of classes.
    """
    kind, features = _library().ClassLabel, rows.features
    columns = [column for column, feature in features.items() if isinstance(feature, kind)]
    if str(getattr(features.get("label"), "dtype", "")).startswith(("int", "uint")):
        columns = ["label"]
    if len(columns) != 1:
        return (), None
    values = list(rows[columns[0]])
    if any(value is None or value < 0 for value in values):  # a split without labels
        return (), None
    names = getattr(features[columns[0]], "names", None)
    if names is None and max(values) >= len(values):  # numbers of the images, not of classes
        return (), None
    return tuple(names or map(str, range(max(values) + 1))), np.array(values, np.int32)
