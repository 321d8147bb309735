"""What is read of a source before it is evaluated."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tfgan2.errors import UserError
from tfgan2.evaluation.sources import image_format


def test_directories_of_different_images_need_a_size(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    assert image_format(tmp_path, uniform=True) == (8, True)
    Image.new("L", (9, 9)).save(tmp_path / "b.png")
    with pytest.raises(UserError, match="give --image-size"):
        image_format(tmp_path, uniform=True)
    assert image_format(tmp_path, uniform=False) == (8, True)
    (tmp_path / "c.png").write_bytes(b"x")  # reported when it is decoded
    assert image_format(tmp_path, uniform=False) == (8, True)
