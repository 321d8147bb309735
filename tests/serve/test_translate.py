"""POST /translate."""

from __future__ import annotations

import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from tfgan2 import runtime
from tfgan2.images.formats import common_formats


def png(*shape, seed=0, kind="PNG"):
    """A file with random pixels."""
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    Image.fromarray(pixels).save(buffer, format=kind)
    return buffer.getvalue()


def bomb(width, height):
    """A PNG of a few bytes that promises many pixels."""

    def chunk(name, data):
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def mask(height, width, white=0.5, kind="PNG"):
    """White in its upper part."""
    pixels = np.zeros((height, width), np.uint8)
    pixels[: int(height * white)] = 255
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=kind)
    return buffer.getvalue()


def opened(content):
    return Image.open(io.BytesIO(content))


@pytest.fixture(scope="module")
def client(painter, serving):
    with serving(painter) as client:
        yield client


def test_a_form_with_a_mask(client, painter):
    image, hidden = png(20, 24, 3), mask(20, 24)
    answer = client.post("/translate", files={"image": image, "mask": hidden})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "image/png"
    translator = runtime.load(painter)
    _, expected = translator.translate(opened(image), opened(hidden))
    np.testing.assert_array_equal(opened(answer.content), expected)


@pytest.mark.parametrize("invert", [True, False])
def test_a_large_mask_that_is_meant(client, painter, invert):
    image, hidden = png(16, 16, 3), mask(16, 16, 0.75)
    request = {
        "files": {"image": image, "mask": hidden},
        "data": {"invert_mask": str(invert).lower()},
    }
    answer = client.post("/translate", **request)
    assert answer.status_code == 200, answer.text
    changed = (np.asarray(opened(answer.content)) != np.asarray(opened(image))).any(-1)
    assert (changed[:12].any(), changed[12:].any()) == (not invert, invert)


def test_an_image_as_the_body_and_the_middle_as_mask(client, painter):
    image = png(16, 16, 3, kind="JPEG")
    answer = client.post("/translate", content=image, headers={"Content-Type": "image/jpeg"})
    assert answer.status_code == 200, answer.text
    field = b'--x\r\nContent-Disposition: form-data; name="%s"; filename="%s"\r\n\r\n%s\r\n'
    body = field % (b"image", b"a.jpg", image) + field % (b"mask", b"", b"") + b"--x--\r\n"
    form = client.post("/translate", **raw(body, FORM))  # as a browser sends it
    assert answer.content == form.content
    before, after = np.asarray(opened(image)), np.asarray(opened(answer.content))
    differs = (before != after).any(-1)
    assert differs[4:12, 4:12].any()
    differs[4:12, 4:12] = False
    assert not differs.any()


def test_the_same_image_gives_the_same_bytes_whoever_else_asks(client):
    images = [png(16, 16, 3, seed=n % 3) for n in range(24)]

    def ask(image):
        return client.post("/translate", files={"image": image}).content

    alone = [ask(image) for image in images]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, images)) == alone
    assert len(set(alone)) == 3


def form(**files):
    return {"files": files}


def form_of(*files):
    return {"files": list(files)}


def raw(content, kind):
    return {"content": content, "headers": {"Content-Type": kind}}


WHOLE = png(16, 16, 3)
FORM = "multipart/form-data; boundary=x"
WRONG = {
    "bomb": (form(image=bomb(100_000, 100_000)), 413, "exceeds limit of 178956970 pixels"),
    "mask bomb": (form(image=WHOLE, mask=bomb(9000, 9000)), 413, "mask: 9000x9000 pixels"),
    "truncated": (form(image=png(64, 64, 3)[:2000]), 422, "image: "),
    "head only": (form(image=WHOLE[:40]), 422, "image: "),
    "broken mask": (form(image=WHOLE, mask=WHOLE[:-30]), 422, "mask: "),
    "mask of another size": (form(image=WHOLE, mask=mask(8, 8)), 422, "the mask is 8x8"),
    "no picture": (form(image=b"hello"), 422, "image: not an image; send one of"),
    "a format for printers": (form(image=png(16, 16, kind="PCX")), 422, "PCX data; send one of"),
    "a mask that is none": (form(image=WHOLE, mask=b"hello"), 422, "mask: not an image"),
    "empty body": (raw(b"", "image/png"), 422, "empty"),
    "an empty mask": (form(image=WHOLE, mask=mask(16, 16, 0)), 422, "the mask hides nothing: "),
    "a full mask": (form(image=WHOLE, mask=mask(16, 16, 1)), 422, "the mask hides everything: "),
    "a large mask": (form(image=WHOLE, mask=mask(16, 16, 0.75)), 422, "marks 75% of the image: "),
    "an image as the mask": (form(image=WHOLE, mask=WHOLE), 422, "the mask has many shades"),
    "inverted": (
        {"data": {"invert_mask": "1"}, **form(image=WHOLE, mask=mask(16, 16))},
        422,
        "`invert_mask` must be true or false",
    ),
    "nothing to invert": (
        {"data": {"invert_mask": "true"}, **form(image=WHOLE)},
        422,
        "there is no mask to invert",
    ),
    "no image": (form(mask=mask(16, 16)), 422, "no file `image`"),
    "another name": (form(file=WHOLE), 422, "unknown field 'file': send the image as `image`"),
    "another file": (form(image=WHOLE, picture=WHOLE), 422, "unknown field 'picture'"),
    "two images": (form_of(("image", WHOLE), ("image", WHOLE)), 422, "give one `image`"),
    "a text": ({"files": {"image": (None, "a.png")}}, 422, "`image` is a text: send it as a file"),
    "three files": (form(image=WHOLE, mask=WHOLE, more=WHOLE), 400, "form cannot be read"),
    "a field": ({"data": {"a": "1"}, **form(image=WHOLE)}, 422, "unknown field 'a'"),
    "fields": ({"data": dict.fromkeys("abc", "1"), **form(image=WHOLE)}, 400, "cannot be read"),
    "no boundary": (raw(b"x", "multipart/form-data"), 400, "form cannot be read"),
    "no form": (raw(b"x" * 100, FORM), 400, "form cannot be read"),
    "half a form": (
        raw(b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\nab', FORM),
        422,
        "no file",
    ),
    "json": ({"json": {}}, 415, "send multipart/form-data"),
    "nothing": ({}, 415, "send multipart/form-data"),
    "curl's default": (raw(WHOLE, "application/x-www-form-urlencoded"), 415, "-F image=@FILE"),
}


@pytest.mark.parametrize("kind", ["WEBP", "GIF", "BMP", "TIFF", "JPEG2000", "PPM", "AVIF", "HEIF"])
def test_it_reads_what_fit_reads(client, kind):
    name = {"JPEG2000": "JPEG 2000", "WEBP": "WebP", "HEIF": "HEIC"}.get(kind, kind)
    if kind not in common_formats():
        answer = client.post("/translate", files={"image": b"hello"})
        assert name not in answer.json()["detail"]
        pytest.skip(f"{name} cannot be read here")
    image, hidden = png(16, 16, 3, kind=kind), mask(16, 16, kind=kind)
    requests = form(image=image), raw(image, Image.MIME[kind]), form(image=image, mask=hidden)
    for request in requests:
        answer = client.post("/translate", **request)
        assert answer.status_code == 200, answer.text
    accepted = client.get("/openapi.json").json()["paths"]["/translate"]["post"]["requestBody"]
    assert Image.MIME[kind] in accepted["content"]
    assert name in client.post("/translate", files={"image": b"hello"}).json()["detail"]


@pytest.mark.parametrize("case", WRONG)
def test_wrong_uploads(client, case):
    request, status, message = WRONG[case]
    answer = client.post("/translate", **request)
    assert (answer.status_code, message in answer.json()["detail"]) == (status, True), answer.text
    assert "\n" not in answer.json()["detail"]


def test_every_truncation_is_an_error_of_the_client(client):
    for length in range(0, len(WHOLE) - 12, 23):
        answer = client.post("/translate", files={"image": ("a", WHOLE[:length])})
        assert answer.status_code == 422, length


def test_another_answer_is_not_acceptable(client):
    answer = client.post("/translate", files={"image": WHOLE}, headers={"Accept": "image/webp"})
    assert answer.status_code == 406


def test_free_sizes_have_a_limit(slow, serving):
    with serving(slow, max_made_pixels=1000, max_pixels=2000) as client:
        answer = client.post("/translate", files={"image": png(30, 33)})
        assert answer.status_code == 200
        assert opened(answer.content).size == (33, 30)
        answer = client.post("/translate", files={"image": png(30, 34)})
        assert answer.status_code == 413
        assert "of 1,020, more than the 1,000 allowed" in answer.json()["detail"]
        answer = client.post("/translate", files={"image": png(16, 16), "mask": mask(16, 16)})
        assert answer.status_code == 422
        assert "takes no mask" in answer.json()["detail"]


def test_the_limit_counts_padding(slow, serving):
    with serving(slow, max_made_pixels=1000) as client:
        client.app.state.service.network._multiple = 64
        answer = client.post("/translate", files={"image": png(1, 99, 3)})
    assert answer.status_code == 413
    assert "of 99x1 pixels, padded to 128x64, gives one of 8,192," in answer.json()["detail"]


def test_what_it_offers(client):
    content = client.get("/openapi.json").json()["paths"]["/translate"]["post"]["requestBody"]
    assert set(content["content"]["multipart/form-data"]["schema"]["properties"]) == {
        "image",
        "mask",
        "invert_mask",
    }
    assert client.get("/").url.path == "/page/"
    assert client.post("/generate", json={}).status_code == 404
