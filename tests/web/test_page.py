"""The page in headless Chromium, compared with Python's onnxruntime."""

from __future__ import annotations

import json
import re
import time

import numpy as np
import pytest
from browsing import assert_same, pixels
from helpers import small_generator
from PIL import Image

from tfgan2 import runtime, web
from tfgan2.export import Options, export_generator
from tfgan2.images import grid, to_pil, to_uint8
from tfgan2.inputs.latents import draw_latents, slerp
from tfgan2.inputs.truncation import truncated
from tfgan2.runtime.translator import middle_mask
from tfgan2.web import ort

LATENTS = """async ({ seed, count, dim, distribution }) => {
    const { drawLatents } = await import("./latents.js");
    const rows = drawLatents(seed, count, dim, distribution);
    return rows.map((row) => [...new Uint32Array(row.buffer)]);
}"""


def shown(page, canvas="#image"):
    """Returns the pixels of a canvas, uint8, shape (H, W, 3)."""
    return pixels(
        page,
        """(selector) => {
            const { width, height } = document.querySelector(selector);
            const context = document.querySelector(selector).getContext("2d");
            const data = context.getImageData(0, 0, width, height).data;
            return { width, height, channels: 3, data: data.filter((_, i) => i % 4 < 3) };
        }""",
        canvas,
    )


def settled(page, canvas, expected, seconds=20):
    """Waits until a canvas shows an image, or fails with the difference."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        made = shown(page, canvas)
        if made.shape == expected.shape and np.abs(made.astype(int) - expected).max() <= 1:
            break
        time.sleep(0.05)
    assert_same(shown(page, canvas), expected)


def downloaded(page, button):
    """Returns the name and the pixels of the file that a button downloads."""
    with page.expect_download() as waiting:
        page.click(button)
    with Image.open(waiting.value.path()) as picture:
        found = np.asarray(picture)
    return waiting.value.suggested_filename, found[..., None] if found.ndim == 2 else found


@pytest.mark.parametrize("distribution", ["normal", "uniform"])
def test_a_seed_gives_the_latents_of_numpy(open_page, labelled, distribution):
    page = open_page(labelled)
    for seed in (0, 7, 2**32 + 5, 2**53 - 1):
        # 40,000 values include some 10 from the tail of the ziggurat.
        asked = {"seed": seed, "count": 400, "dim": 100, "distribution": distribution}
        made = np.array(page.evaluate(LATENTS, asked), np.uint32).view(np.float32)
        expected = draw_latents(400, 100, seed=seed, distribution=distribution)
        if distribution == "uniform":
            np.testing.assert_array_equal(made, expected)
            continue
        assert np.abs(expected).max() > 3.66  # the tail is included
        tail = np.abs(expected) > 3.65
        np.testing.assert_array_equal(made[~tail], expected[~tail])
        # There NumPy takes a logarithm in single precision, whose last bit depends on the C
        # library.
        np.testing.assert_allclose(made[tail], expected[tail], rtol=2e-7)


def test_pixels_are_those_of_python(open_page, labelled):
    page = open_page(labelled)
    generator = runtime.load(labelled)
    latents = draw_latents(24, 10, seed=5)
    labels = np.arange(24) % 3
    for latent, label, expected in zip(
        latents, labels, to_uint8(generator(latents, labels)), strict=True
    ):
        made = pixels(
            page, "([z, label]) => tfgan2.render(z, label)", [latent.tolist(), int(label)]
        )
        assert_same(made, expected)


@pytest.mark.parametrize("name", ["labelled", "uniform", "told"])
def test_latents_become_uint8(open_page, rounded, name):
    """The images of a uint8 file are shown and saved as they are."""
    page, generator = open_page(rounded[name]), runtime.load(rounded[name])
    names = max(1, len(generator.class_names or generator.captions))
    columns = names * round(4 / names)
    images = to_uint8(generator.generate(columns * round(16 / columns), seed=0))
    settled(page, "#grid button:last-child canvas", images[-1].repeat(3 // images.shape[-1], -1))
    assert_same(pixels(page, "() => tfgan2.shown()"), images[0])
    assert_same(downloaded(page, "#save")[1], images[0])
    assert_same(downloaded(page, "#save-grid")[1], grid(images, columns=columns))


@pytest.mark.parametrize("name", ["fixed", "masked", "free"])
def test_pictures_become_uint8(open_page, rounded, name, tmp_path):
    page, translator = open_page(rounded[name]), runtime.load(rounded[name])
    size, mode = ((21, 13) if name == "free" else (16, 16)), ("L" if name == "masked" else "RGB")
    picture, path = picture_file(tmp_path, size, mode)
    _, made = translator.translate(picture, middle_mask(picture) if name == "masked" else None)
    page.set_input_files("#file", path)
    settled(page, "#made", np.asarray(made.convert("RGB")))
    assert_same(downloaded(page, "#save-image")[1][..., 0], np.asarray(made.getchannel(0)))


def test_a_picture_soon_after_opening(open_page, labelled, capsys):
    page = open_page(labelled)
    milliseconds = page.evaluate("tfgan2.milliseconds")
    with capsys.disabled():
        print(f"\nfirst picture after {milliseconds:.0f} ms")
    assert milliseconds < 10_000
    images = runtime.load(labelled).generate(1, seed=0)
    assert_same(shown(page), to_uint8(images[0]))
    assert "Ready after" in page.inner_text("#message")
    assert "12×12 pixels in" in page.inner_text("#facts")
    assert re.match(r"A model of \d+ kB", page.inner_text("#message"))


def test_weights_in_float16(open_page, tmp_path):
    options = Options(["onnx"], ["float16"], images=16)
    export_generator(small_generator(3), tmp_path, options, class_names=["a", "b", "c"])
    file = tmp_path / "generator.float16.onnx"
    page = open_page(file)
    images = runtime.load(file).generate(1, seed=0)
    assert_same(shown(page), to_uint8(images[0]))


def test_seed_number_and_class(open_page, labelled):
    page = open_page(labelled)
    generator = runtime.load(labelled)
    page.fill("#seed", "7")
    settled(page, "#image", to_uint8(generator.generate(1, seed=7, label=0)[0]))
    page.click("text=two words")
    settled(page, "#image", to_uint8(generator.generate(1, seed=7, label=2)[0]))
    page.fill("#index", "5")
    settled(page, "#image", to_uint8(generator.generate(6, seed=7, label=2)[5]))
    # Classes can be chosen by keyboard.
    page.focus("input[name=choice]:checked")
    page.keyboard.press("ArrowLeft")
    settled(page, "#image", to_uint8(generator.generate(6, seed=7, label=1)[5]))
    # An invalid seed changes nothing.
    page.fill("#seed", "-3")
    assert page.evaluate("tfgan2.state.seed") == 7


@pytest.mark.parametrize("name", ["labelled", "uniform"])
def test_sliders_move_along_the_directions(open_page, name, request):
    file = request.getfixturevalue(name)
    page, generator = open_page(file), runtime.load(file)
    directions = json.loads(web.page_files(file)["model.json"])["directions"]
    latents = draw_latents(
        1, generator.latent_dim, seed=0, distribution=generator.latent_distribution
    )
    before = shown(page)
    z = latents[0].astype(np.float64)
    bars = page.locator("#sliders input")
    assert bars.count() == len(directions)
    for number, part in ((0, -0.8), (2, 0.5)):
        vector = np.array(directions[number]["vector"])
        place = part * directions[number]["limit"]
        bars.nth(number).evaluate(
            "(bar, place) => { bar.value = place; bar.dispatchEvent(new Event('input')); }", place
        )
        z += (float(bars.nth(number).input_value()) - vector @ z) * vector
    if generator.latent_distribution == "uniform":
        z = np.clip(z, -1, 1)
    moved = z[None].astype(np.float32)
    expected = to_uint8(generator(moved, generator.conditions(1)[0]))[0]
    expected = np.broadcast_to(expected, before.shape)
    settled(page, "#image", expected)
    assert np.abs(expected.astype(int) - before).max() > 20

    page.click("#reset")
    settled(page, "#image", before)
    # The same by keyboard.
    bars.nth(0).focus()
    page.keyboard.press("Home")
    assert float(bars.nth(0).input_value()) == -directions[0]["limit"]
    assert page.is_enabled("#reset")


def test_without_directions_there_are_no_sliders(open_page, labelled, tmp_path, monkeypatch):
    monkeypatch.setattr(web, "principal_directions", lambda generator: [])
    (tmp_path / "generator.onnx").write_bytes(labelled.read_bytes())
    page = open_page(tmp_path / "generator.onnx")
    assert page.is_hidden("text=What changes the image most")
    assert page.is_visible("#image")


TRUNCATED = """async ([latent, threshold]) => {
    const { truncated } = await import("./latents.js");
    return [...truncated(Float32Array.from(latent), threshold)];
}"""


@pytest.mark.parametrize("kind", ["styles", "latents"])
def test_truncation(open_page, truncating, kind):
    page, generator = open_page(truncating[kind]), runtime.load(truncating[kind])
    settled(page, "#image", np.repeat(to_uint8(generator.generate(1))[0], 3, axis=-1))
    slider = page.locator("#truncation")
    assert slider.is_visible()
    expected = {"styles": "none", "latents": "0.50"}[kind]  # the defaults of the files
    assert slider.evaluate("bar => bar.nextElementSibling.textContent") == expected
    page.fill("#truncation", "0.3")
    images = to_uint8(generator.generate(16, seed=0, truncation=0.3))
    for canvas, image in (("#image", images[0]), ("#grid button:last-child canvas", images[-1])):
        settled(page, canvas, image.repeat(3, axis=-1))
    page.fill("#truncation", slider.get_attribute("max"))
    latents = draw_latents(1, 6, seed=0)
    none = generator(latents, truncation=1.0 if kind == "styles" else 8.0)
    settled(page, "#image", to_uint8(none)[0].repeat(3, axis=-1))
    assert slider.evaluate("bar => bar.nextElementSibling.textContent") == "none"


def test_truncated_latents_are_those_of_python(open_page, truncating):
    page, latents = open_page(truncating["latents"]), draw_latents(8, 50, seed=3).ravel()
    for threshold in (0.0, 0.04, 0.7, 2.0, 3.9):
        made = page.evaluate(TRUNCATED, [latents.tolist(), threshold])
        np.testing.assert_allclose(made, truncated(latents, threshold), atol=1e-6)


def test_no_slider_without_truncation(open_page, labelled):
    assert not open_page(labelled).locator("#truncation").is_visible()


def test_between_two_seeds(open_page, labelled):
    page, generator = open_page(labelled), runtime.load(labelled)
    page.fill("#start", "3")
    page.fill("#end", "8")
    ends = [draw_latents(1, 10, seed=seed)[0] for seed in (3, 8)]
    for weight, value in ((0.0, "0"), (0.3, "0.3"), (1.0, "1")):
        page.fill("#way", value)
        latent = slerp(*ends, np.array([weight]))
        settled(page, "#middle", to_uint8(generator(latent, np.array([0])))[0])
    for place, seed in (("first", 3), ("last", 8)):
        end = to_uint8(generator.generate(1, seed=seed, label=0)[0])
        settled(page, f"#strip canvas:{place}-child", end)
    name, made = downloaded(page, "#save-way")
    assert name == "cgan-folder-pets-b-seeds-3-8-at-100.png"
    assert_same(made, to_uint8(generator.generate(1, seed=8, label=0)[0]))

    page.click("#play")
    page.wait_for_function("document.getElementById('way').value < 0.9")
    page.click("#play")
    assert page.inner_text("#play") == "Play"
    # Clicks in quick succession leave one loop: it asks for one frame at a time.
    asked = page.evaluate(
        """async () => {
            const real = window.requestAnimationFrame;
            let asked = 0, frames = 0;
            window.requestAnimationFrame = (run) => (asked++, real(run));
            for (let i = 0; i < 7; i++) document.getElementById("play").click();
            await new Promise((resolve) => real(() => real(resolve)));
            asked = 0;
            while (frames++ < 10) await new Promise((resolve) => real(resolve));
            return asked;
        }"""
    )
    assert 0 < asked <= 11
    page.click("#play")
    # Without a seed at one end there is nothing to save.
    page.fill("#start", "")
    saved = []
    page.on("download", lambda item: saved.append(item))
    page.click("#save-way")
    page.wait_for_timeout(300)
    assert not saved


def test_the_grid_is_that_of_generate(open_page, labelled):
    page, generator = open_page(labelled), runtime.load(labelled)
    page.fill("#seed", "4")
    images = to_uint8(generator.generate(15, seed=4))  # all classes in turn, whole rows
    settled(page, "#grid button:last-child canvas", images[14])
    assert page.locator("#grid button").count() == 15
    name, made = downloaded(page, "#save-grid")
    assert name == "cgan-folder-pets-b-seed-4-grid.png"
    assert_same(made, grid(images, columns=3))

    page.click("#grid button:nth-child(6)")
    settled(page, "#image", images[5])
    assert page.input_value("#index") == "5"
    assert page.is_checked("label:has-text('two words') input")
    end = to_uint8(generator.generate(1, seed=1, label=2)[0])
    settled(page, "#strip canvas:last-child", end)

    page.uncheck("#in-turn")
    page.select_option("#count", "36")
    images = to_uint8(generator.generate(36, seed=4, label=2))
    settled(page, "#grid button:last-child canvas", images[35])
    assert_same(downloaded(page, "#save-grid")[1], grid(images))


@pytest.mark.parametrize(("name", "mode"), [("labelled", "RGB"), ("uniform", "L")])
def test_a_download_holds_the_pixels_that_are_shown(open_page, name, mode, request, tmp_path):
    page = open_page(request.getfixturevalue(name))
    page.fill("#seed", "11")
    page.wait_for_function("tfgan2.state.seed === 11")
    file, made = downloaded(page, "#save")
    assert file.endswith(".png")
    assert "seed-11" in file
    np.testing.assert_array_equal(made, pixels(page, "() => tfgan2.shown()"))
    assert to_pil(made).mode == mode
    np.testing.assert_array_equal(np.broadcast_to(made, (12, 12, 3)), shown(page))


def test_uniform_latents_and_a_fixed_batch(open_page, uniform):
    page, generator = open_page(uniform), runtime.load(uniform)
    assert not page.is_visible("#choices")
    images = to_uint8(generator.generate(16, seed=0))
    settled(page, "#grid button:last-child canvas", np.broadcast_to(images[15], (12, 12, 3)))
    assert_same(downloaded(page, "#save-grid")[1], grid(images))


def test_captions(open_page, told):
    page, generator = open_page(told), runtime.load(told)
    page.click("text=a dark picture")
    expected = to_uint8(generator.generate(1, seed=0, text="a dark picture")[0])
    settled(page, "#image", np.broadcast_to(expected, (12, 12, 3)))
    bright = to_uint8(generator.generate(1, seed=0, text="a bright picture")[0])
    assert np.abs(bright.astype(int) - expected).max() > 5


def picture_file(folder, size, mode="RGB", name="in.png"):
    """Writes an image of noise, with larger patches below; returns it and its path."""
    rng = np.random.default_rng(6)
    picture = Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), np.uint8)).convert(mode)
    picture.save(folder / name)
    return picture, folder / name


def test_a_picture_becomes_a_picture(open_page, translators, tmp_path):
    page = open_page(translators["fixed"])
    picture, path = picture_file(tmp_path, (16, 16))
    page.set_input_files("#file", path)
    taken, made = runtime.load(translators["fixed"]).translate(picture)
    settled(page, "#made", np.asarray(made))
    np.testing.assert_array_equal(shown(page, "#taken"), np.asarray(taken))
    assert_same(downloaded(page, "#save-image")[1], np.asarray(made))

    # A larger image: its middle is used, resampled slightly differently.
    large = Image.new("RGB", (90, 40), (250, 10, 10))
    large.paste((10, 10, 250), (25, 0, 65, 40))
    large.save(tmp_path / "large.png")
    page.set_input_files("#file", tmp_path / "large.png")
    settled(page, "#taken", np.full((16, 16, 3), (10, 10, 250), np.uint8))


def test_what_is_no_picture_is_told(open_page, translators, tmp_path):
    page = open_page(translators["fixed"])
    (tmp_path / "note.png").write_text("no picture")
    message = page.evaluate(
        "() => tfgan2.take(new File(['no'], 'note.png')).catch((error) => error.message)"
    )
    assert message == "note.png is not an image that this browser can read."


def test_a_mask_is_painted(open_page, translators, tmp_path):
    page = open_page(translators["masked"])
    translator = runtime.load(translators["masked"])
    picture, path = picture_file(tmp_path, (16, 16), "L")

    def agrees():
        mask = np.array(page.evaluate("[...tfgan2.taken().mask]"), np.uint8).reshape(16, 16)
        taken, made = translator.translate(picture, Image.fromarray(mask * np.uint8(255)))
        settled(page, "#made", np.asarray(made)[..., None].repeat(3, axis=-1))
        settled(page, "#taken", np.asarray(taken)[..., None].repeat(3, axis=-1))
        return mask

    page.set_input_files("#file", path)
    page.wait_for_function("tfgan2.made()")
    assert agrees()[4:12, 4:12].all()
    assert agrees().sum() == 64
    page.click("#clear")
    page.wait_for_function("!tfgan2.taken().mask.includes(1)")
    page.wait_for_function("!tfgan2.made()")
    assert page.inner_text("#image-facts") == "Nothing is hidden: paint over what to fill."
    assert page.is_disabled("#save-image")
    np.testing.assert_array_equal(shown(page, "#taken")[..., :1], np.asarray(picture)[..., None])

    box = page.locator("#taken").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.1, box["y"] + box["height"] * 0.1)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.1, steps=4)
    page.mouse.up()
    mask = agrees()
    assert mask[1, 2:14].all()
    assert not mask[6:].any()


def test_any_size_by_mirrored_borders(open_page, translators, tmp_path):
    page = open_page(translators["free"])
    for width, height in ((21, 13), (64, 2)):  # the second is mirrored several times
        picture, path = picture_file(tmp_path, (width, height), name=f"{height}.png")
        page.set_input_files("#file", path)
        taken, made = runtime.load(translators["free"]).translate(picture)
        assert made.size == (2 * width, 2 * height)
        settled(page, "#made", np.asarray(made))
        np.testing.assert_array_equal(shown(page, "#taken"), np.asarray(taken))
    # More pixels than a phone could process.
    Image.new("RGB", (1024, 256)).save(tmp_path / "wide.png")
    page.set_input_files("#file", tmp_path / "wide.png")
    page.wait_for_function("tfgan2.made().width === 1024")
    assert page.evaluate("tfgan2.taken().width") == 512


@pytest.mark.parametrize("width", [320, 390, 1280])
@pytest.mark.parametrize("kind", ["labelled", "masked"])
def test_nothing_is_wider_than_the_screen_or_moves(open_page, kind, width, labelled, translators):
    file = labelled if kind == "labelled" else translators[kind]
    page = open_page(file, viewport={"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    moved = page.evaluate(
        """new Promise((resolve) => {
            let sum = 0;
            new PerformanceObserver((list) => {
                for (const entry of list.getEntries()) sum += entry.value;
            }).observe({ type: "layout-shift", buffered: true });
            setTimeout(() => resolve(sum), 500);
        })"""
    )
    assert moved < 0.02


def test_everything_has_a_name(open_page, labelled, translators):
    for file in (labelled, translators["masked"]):
        nameless = open_page(file).evaluate(
            """[...document.querySelectorAll("main:not([hidden]) :is(button, input, select)")]
                .filter((item) => item.checkVisibility() && !item.labels?.[0]?.textContent.trim()
                    && !item.textContent.trim() && !item.ariaLabel)
                .map((item) => item.outerHTML)"""
        )
        assert nameless == []


# ---- hosts of pages


@pytest.fixture
def blank(browser):
    context = browser.new_context()
    yield context.new_page()
    context.close()


def from_cdn(page, ort_web, spoiled=()):
    """Answers requests to the CDN with the files of the npm package."""

    def answer(route):
        name = route.request.url.rsplit("/", 1)[1]
        body = (ort.find(ort_web) / name).read_bytes()
        body += b"\n// not the published file" if name in spoiled else b""
        kind = "application/wasm" if name.endswith(".wasm") else "text/javascript"
        headers = {"content-type": kind, "access-control-allow-origin": "*"}
        route.fulfill(body=body, headers=headers)

    page.route(f"{ort.CDN}/*", answer)


def test_the_runtime_from_the_cdn(blank, site, labelled, ort_web):
    folder, address = site
    web.write_page(folder / "cdn", labelled)
    from_cdn(blank, ort_web)
    blank.goto(f"{address}/cdn/")
    blank.evaluate("tfgan2.ready.then(() => true)")
    images = runtime.load(labelled).generate(1, seed=0)
    assert_same(shown(blank), to_uint8(images[0]))


@pytest.mark.parametrize("name", ort.FILES)
def test_a_changed_runtime_is_not_run(blank, site, labelled, ort_web, name):
    folder, address = site
    web.write_page(folder / "cdn", labelled)
    from_cdn(blank, ort_web, spoiled=[name])
    blank.goto(f"{address}/cdn/")
    blank.wait_for_selector("#message.error")
    message = "is this device offline?" if name == ort.SCRIPT else "Failed to fetch"
    assert message in blank.inner_text("#message")


def test_a_page_opened_as_a_file_says_what_to_do(blank, labelled, tmp_path):
    web.write_page(tmp_path / "page", labelled)
    blank.route(f"{ort.CDN}/*", lambda route: route.abort())
    blank.goto((tmp_path / "page" / "index.html").as_uri())
    assert "python -m http.server" in blank.inner_text("#message.error")


def test_a_missing_model_is_told(blank, site, labelled, ort_web):
    folder, address = site
    web.write_page(folder / "broken", labelled, ort_web)
    (folder / "broken" / "model.onnx").unlink()
    blank.goto(f"{address}/broken/")
    blank.wait_for_selector("#message.error")
    assert blank.inner_text("#message") == "model.onnx cannot be loaded: 404"
    blank.route("**/model.onnx", lambda route: route.abort())
    blank.reload()
    blank.wait_for_selector("#message.error")
    assert blank.inner_text("#message") == "model.onnx cannot be loaded: Failed to fetch"
