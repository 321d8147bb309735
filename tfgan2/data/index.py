"""The index of packed images: FILE of `tfgan2 prepare`, in JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tfgan2.errors import UserError
from tfgan2.images.ranges import Ranges
from tfgan2.images.survey import Survey

FORMAT = 1


@dataclass(frozen=True)
class Shard:
    """A file of records: its path relative to the index, their number, its size in bytes."""

    name: str
    images: int
    bytes: int


@dataclass(frozen=True)
class Index:
    """The content of FILE; the images are in the order of their folder.

    Grey images have 1 channel, others 3. `image_size` is that of the pixels in the records, or
    None where these are files. `label_runs` are pairs of a label and the number of successive
    images that have it, () without labels. `digest` is the sha256 of all records and labels. The
    last `held_out` images are held out. `formats` and `ranges` are those of the `Survey`. `copies`
    are pairs of the number of an image and that of the first one whose file is equal.
    """

    num_images: int
    channels: int
    image_size: str | None
    class_names: tuple[str, ...]
    label_runs: tuple[tuple[int, int], ...]
    shards: tuple[Shard, ...]
    digest: str
    held_out: int = 0
    formats: str = ""
    ranges: Ranges = field(default_factory=dict)
    copies: Sequence[tuple[int, int]] = ()

    @property
    def survey(self) -> Survey:
        """The survey of the files that were packed."""
        return Survey(self.formats, self.channels == 1, self.ranges)

    def to_json(self) -> str:
        fields = {**vars(self), "shards": [asdict(shard) for shard in self.shards]}
        return json.dumps({"tfgan2_prepared": FORMAT, **fields}, indent=1) + "\n"

    @classmethod
    def read(cls, path: Path) -> Index:
        """Reads FILE, and checks that all shards exist in full; they are not read."""
        if not path.exists():
            raise UserError(f"{str(path)!r} does not exist: create it with `tfgan2 prepare`")
        if path.is_dir():
            raise UserError(f"{str(path)!r} is a folder: give prepared:FILE, or folder:{path}")
        try:
            fields = json.loads(path.read_text(encoding="utf-8"))
            if fields.pop("tfgan2_prepared") != FORMAT:
                raise UserError(
                    f"{path} was written by another version of tfgan2: prepare it again"
                )
            fields["shards"] = tuple(Shard(**shard) for shard in fields["shards"])
            fields["class_names"] = tuple(fields["class_names"])
            fields["label_runs"] = tuple((label, count) for label, count in fields["label_runs"])
            ranges = fields.get("ranges", {})
            fields["ranges"] = {kind: (low, high) for kind, (low, high) in ranges.items()}
            index = cls(**fields)
        except UserError:
            raise
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{path} was not written by `tfgan2 prepare`, or is damaged: prepare it again"
            ) from error
        for shard in index.shards:
            file = path.parent / shard.name
            if not file.is_file():
                raise UserError(f"{file} is missing: it belongs to {path}, copy it there")
            if file.stat().st_size != shard.bytes:
                raise UserError(f"{file} is damaged: copy it once more, or prepare it again")
        return index
