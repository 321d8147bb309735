"""What libraries say about an image is collected for its file, and for no other."""

from __future__ import annotations

import io
import logging
import os
import threading
import warnings
from pathlib import Path

import pytest
from PIL import Image

from tfgan2.images.files import UnreadableImageError, open_image
from tfgan2.images.hearing import hearing


def broken_exif() -> bytes:
    """A good JPEG whose EXIF block is cut."""
    exif = Image.Exif()
    exif[0x010E] = "a description"
    buffer = io.BytesIO()
    Image.new("L", (8, 8), 50).save(buffer, "JPEG", exif=exif.tobytes()[:20])
    return buffer.getvalue()


def test_warnings_are_collected_and_not_shown(recwarn: pytest.WarningsRecorder) -> None:
    with hearing() as messages:
        for _ in range(2):
            assert open_image(broken_exif()).size == (8, 8)
    (message,) = messages
    assert "EXIF" in message and "\n" not in message and not message.endswith(".")
    open_image(broken_exif())  # outside a block they are of no interest
    assert not recwarn.list


def test_a_filter_of_the_user_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    for action in ("error", "ignore"):
        with warnings.catch_warnings(), hearing() as messages:
            warnings.simplefilter(action)
            open_image(broken_exif())
        assert len(messages) == 1


def test_each_thread_collects_its_own() -> None:
    """Also while other threads read, and warn of something else."""
    collected: dict[int, list[str]] = {}
    everyone = threading.Barrier(9)

    def read(number: int) -> None:
        with hearing() as messages:
            everyone.wait(10)
            for _ in range(20):
                warnings.warn(f"number {number}", stacklevel=1)
            everyone.wait(10)
        collected[number] = messages

    threads = [threading.Thread(target=read, args=(number,)) for number in range(8)]
    before = warnings.warn, warnings.showwarning, list(warnings.filters)
    for thread in threads:
        thread.start()
    everyone.wait(10)
    with pytest.warns(UserWarning, match="not of an image") as caught:
        warnings.warn("not of an image", stacklevel=1)
    everyone.wait(10)
    for thread in threads:
        thread.join()
    assert collected == {number: [f"number {number}"] for number in range(8)}
    assert Path(caught[0].filename) == Path(__file__)
    assert (warnings.warn, warnings.showwarning, list(warnings.filters)) == before


def test_warnings_about_code_are_no_messages() -> None:
    with hearing() as messages, pytest.warns(DeprecationWarning, match="old"):
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert not messages


@pytest.mark.skipif(os.name == "nt", reason="libtiff cannot be reached on Windows")
def test_libtiff_writes_nothing_itself(capfd: pytest.CaptureFixture[str]) -> None:
    def damaged(compression: str, begin: int) -> bytes:
        buffer = io.BytesIO()
        image = Image.effect_noise((64, 64), 90).convert("1")
        image.save(buffer, "TIFF", compression=compression)
        content = bytearray(buffer.getvalue())
        content[begin : begin + 20] = b"\xff" * 20
        return bytes(content)

    with pytest.raises(UnreadableImageError, match="decoder error -2: Decoding error at scanline"):
        open_image(damaged("tiff_deflate", 8))
    with hearing() as messages:
        assert open_image(damaged("group4", 200)).size == (64, 64)
    assert any("Bad code word" in message for message in messages)
    assert capfd.readouterr().err == ""


def test_what_pillow_logs_is_collected(capfd: pytest.CaptureFixture[str]) -> None:
    with hearing() as messages:
        logging.getLogger("PIL.TiffImagePlugin").error("More samples than %s", "can be decoded")
    assert messages == ["More samples than can be decoded"]
    assert capfd.readouterr().err == ""
