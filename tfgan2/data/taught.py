"""Images that a teacher made, as `tfgan2 distill` writes them.

`taught:FILE.npz` holds them with the latents and labels that they were made from; NumPy alone opens
it. `taught-pairs:DIR` holds them with the images that they were made from.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfgan2.data.dataset import ImageDataset, Source
from tfgan2.data.request import Request, build
from tfgan2.errors import UserError
from tfgan2.files import written_atomically

if TYPE_CHECKING:
    import tensorflow as tf

FORMAT = 1
FACTS = "taught.json"


@dataclass(frozen=True)
class Taught:
    """Images of a teacher.

    Attributes:
        images: uint8, shape (N, height, width, channels).
        latents: float32, shape (N, latent_dim).
        labels: int32, shape (N,), or None.
        class_names: names of the labels 0, 1, …; () without labels.
        teacher: facts, fit for JSON, that a student is built from: latent_dim,
            latent_distribution, labels_are_classes, truncation_of; and flavour, dataset, step.
    """

    images: np.ndarray
    latents: np.ndarray
    labels: np.ndarray | None
    class_names: Sequence[str]
    teacher: Mapping[str, Any]

    def write(self, path: Path) -> None:
        """Writes a new file; a UserError if the disk refuses."""
        facts = {
            "tfgan2_taught": FORMAT,
            "class_names": list(self.class_names),
            "teacher": dict(self.teacher),
        }
        labels = np.zeros(0, np.int32) if self.labels is None else self.labels
        with written_atomically(path, parents=True) as new, new.open("wb") as file:
            np.savez(
                file,
                facts=np.array(json.dumps(facts)),
                images=self.images,
                latents=self.latents,
                labels=labels,
            )

    @classmethod
    def read(cls, path: Path) -> Taught:
        """Reads a file; a UserError unless it is one of this format, and whole."""
        try:
            with np.load(path, allow_pickle=False) as file:
                facts = json.loads(str(file["facts"]))
                if facts["tfgan2_taught"] != FORMAT:
                    raise UserError(f"{path} was written by another version of tfgan2")
                labels = file["labels"] if facts["class_names"] else None
                images, latents = file["images"], file["latents"]
        except FileNotFoundError:
            raise UserError(f"no such file: {path}: `tfgan2 distill` writes one") from None
        except UserError:  # a ValueError, too
            raise
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(f"{path} is damaged, or `tfgan2 distill` did not write it") from error
        return cls(images, latents, labels, facts["class_names"], facts["teacher"])


def load(request: Request) -> ImageDataset:
    """Loads the images of a teacher; always held in memory."""
    from tfgan2.data.sources import as_tensor, shuffled_indices

    if not request.path:
        raise UserError("taught: lacks its file: give taught:FILE")
    path = Path(request.path).expanduser()
    taught = Taught.read(path)
    with zipfile.ZipFile(path) as file:
        content = ["taught", [[item.filename, item.CRC] for item in file.infolist()]]

    def look_up(tables: Sequence[tf.Tensor], numbers: tf.Tensor) -> tuple[tf.Tensor, ...]:
        import tensorflow as tf

        return tuple(tf.gather(table, numbers) for table in tables)

    def part(numbers: np.ndarray, labels: np.ndarray | None) -> ImageDataset:
        request.progress(f"reading {request.name}", len(numbers), len(numbers))
        arrays = [taught.images[numbers], taught.latents[numbers]]
        if labels is not None:
            arrays.append(labels.astype(np.int32))
        tables = tuple(map(as_tensor, arrays))
        source = Source(
            len(numbers), True, partial(shuffled_indices, len(numbers)), look_up, tables
        )
        shape = taught.images.shape[1:]
        details = {"teacher": taught.teacher}
        return ImageDataset(source, request.name, shape, content, kind="taught", details=details)

    known = taught.class_names
    return build(request, len(taught.images), part, known=known, labels=taught.labels)


# --- pairs ----------------------------------------------------------------------------------------


def write_facts(folder: Path, teacher: Mapping[str, Any]) -> None:
    """Writes what is known of a folder of pairs: fit for JSON, with the `size` of the images."""
    facts = {"tfgan2_taught": FORMAT, "teacher": dict(teacher)}
    (folder / FACTS).write_text(json.dumps(facts, indent=2) + "\n", "utf-8")


def read_facts(folder: Path) -> dict[str, Any]:
    """Reads what `write_facts` wrote; a UserError if it is missing or damaged."""
    path = folder / FACTS
    try:
        facts = json.loads(path.read_text("utf-8"))
        if facts["tfgan2_taught"] != FORMAT:
            raise UserError(f"{path} was written by another version of tfgan2")
        return {**facts["teacher"], "size": tuple(facts["teacher"]["size"])}
    except UserError:
        raise
    except FileNotFoundError:
        raise UserError(f"no such file: {path}: `tfgan2 distill` writes one") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is damaged, or `tfgan2 distill` did not write it") from error


def load_pairs(request: Request) -> ImageDataset:
    """Loads pairs whose targets a teacher made, by default in its size."""
    from tfgan2.data.folders import pairs

    if not request.path:
        raise UserError("taught-pairs: lacks its folder: give taught-pairs:DIR")
    teacher = read_facts(Path(request.path).expanduser())
    size = request.image_size or "{}x{}".format(*teacher["size"])
    dataset = pairs.load_pairs(replace(request, image_size=size))
    return replace(dataset, details={**dataset.details, "teacher": teacher})
