"""The notebooks in docs/notebooks run top to bottom, and what is committed of them is in order.

Each notebook must finish within two minutes on two cores, which slow tests check. The fast tests
run three of them with a twentieth of the steps, and compare names and options in all.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import io
import os
import re
from base64 import b64decode, b64encode
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat
import numpy as np
import pytest
from filelock import FileLock
from IPython.core.inputtransformer2 import TransformerManager
from PIL import Image

import tfgan2
from tfgan2 import registry
from tfgan2.api.run import Run

HERE = Path(__file__).parents[1]
NOTEBOOKS = sorted((HERE / "docs/notebooks").glob("*.ipynb"))
MOST_OUTPUT = 60_000
"""Largest image in a notebook, in base64."""

QUICK = [
    HERE / f"docs/notebooks/{name}.ipynb"
    for name in ("first_gan", "to_the_phone", "your_own_flavour")
]

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])


def module_at(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    return module_at(HERE / "docs/make_notebooks.py")


def code_cells(path: Path) -> list[Any]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def plain_python(source: str) -> str:
    """A cell as Python: what `%pip` and `!tfgan2` become, and the content of `%%writefile`."""
    magic, _, rest = source.partition("\n")
    if magic.startswith("%%writefile"):
        return rest if magic.endswith(".py") else ""
    return TransformerManager().transform_cell(source)


def trees(path: Path) -> Iterator[ast.Module]:
    for cell in code_cells(path):
        yield ast.parse(plain_python(cell.source))


# --- running them --------------------------------------------------------------------------------


@pytest.mark.slow
@each_notebook
def test_runs_top_to_bottom_within_two_minutes(
    path: Path, maker: ModuleType, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    env = dict(os.environ)
    # A notebook has both cores, optimizes steps and keeps compiled ones, as those of users do.
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
        env.pop(name, None)
    for name in ("TFGAN2_COMPILED_MB", "XLA_FLAGS"):
        env.pop(name, None)
    workers = int(env.get("PYTEST_XDIST_WORKER_COUNT", 1))
    share = max(1.0, workers / (os.cpu_count() or 1))  # more workers than cores take more time
    # One after the other, also with several workers of pytest.
    with FileLock(tmp_path_factory.getbasetemp().parent / "notebooks.lock"):
        check(path, maker, tmp_path, share * maker.MOST_SECONDS, env)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=[pytest.mark.slow] if number else [])
        for number, path in enumerate(QUICK)
    ],
)
def test_runs_top_to_bottom_with_fewer_steps(path: Path, maker: ModuleType, tmp_path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code" and not cell.source.startswith(("!", "%")):
            cell.source = shortened(cell.source)
    short = tmp_path / path.name
    nbformat.write(notebook, short)
    check(short, maker, tmp_path, 10 * maker.MOST_SECONDS, dict(os.environ))


def shortened(source: str) -> str:
    """A cell with a twentieth of the steps, which are not worth compiling by XLA."""
    lengths = r"(?:\bsteps(?:_per_epoch)?|_every|\bcount)=\d+|\bstep in \([\d, ]+\)"

    def less(match: re.Match[str]) -> str:
        return re.sub(r"\d+", lambda number: str(max(1, int(number[0]) // 20)), match[0])

    return re.sub(r"(?m)^(    steps=\d+,)$", r"\1 xla=False,", re.sub(lengths, less, source))


def check(path: Path, maker: ModuleType, folder: Path, seconds: float, env: dict[str, str]) -> None:
    """Runs a notebook and compares which of its cells show images."""
    work = folder / "work"
    work.mkdir()
    notebook = maker.execute(path, work, seconds, {**env, "TFGAN2_CACHE": str(folder / "cache")})
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    assert shown(notebook.cells) == shown(nbformat.read(path, as_version=4).cells)


def shown(cells: list[Any]) -> list[int]:
    """The number of images below each cell."""
    return [
        sum(bool(re.search("image/", str(output.get("data", {}).keys()))) for output in outputs)
        for outputs in (cell.get("outputs", []) for cell in cells)
    ]


# --- what is committed ---------------------------------------------------------------------------


def test_there_are_six_and_each_is_in_the_navigation() -> None:
    navigation = (HERE / "mkdocs.yml").read_text("utf-8")
    assert len(NOTEBOOKS) == 6
    assert all(f"notebooks/{path.stem}.md" in navigation for path in NOTEBOOKS)


@each_notebook
def test_is_a_valid_notebook_that_was_run_in_order(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    counts = [cell.execution_count for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1))


@each_notebook
def test_begins_with_colab_and_an_installation_and_ends_with_links(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    assert cells[0].source.startswith("# ") and f"docs/notebooks/{path.name})" in cells[0].source
    assert "%pip install -q tfgan2" in next(cell.source for cell in code_cells(path))
    assert "## What next" in cells[-1].source and cells[-1].source.count("](") >= 4


@each_notebook
def test_outputs_are_small_free_of_errors_and_of_this_machine(path: Path) -> None:
    images = 0
    for output in (each for cell in code_cells(path) for each in cell.outputs):
        assert output.output_type in ("stream", "display_data", "execute_result")
        for kind, content in output.get("data", {}).items():
            assert kind in ("text/plain", "image/png", "image/jpeg")
            assert len(content) < MOST_OUTPUT
            images += kind != "text/plain"
        text = output.get("text", "") + output.get("data", {}).get("text/plain", "")
        assert not re.search(r"/(tmp|home|root|work|usr|content|Users|private|opt)/", text)
        assert not re.search(r"Traceback|Warning|\x1b|\r|\d/\d+ \[", text), text
        assert len(re.findall(r"^step \d+/\d+ \|", text, re.MULTILINE)) <= 1
        assert len(text) < 4000
    assert images >= 2 and path.stat().st_size < 400_000


@each_notebook
def test_every_link_into_the_repository_resolves(path: Path, maker: ModuleType) -> None:
    text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert len(links) >= 5 and all(link.startswith("https://") for link in links)
    for link in links:
        if "/tfgan2/" in link:  # ours, or Colab's view of it
            assert link == maker.with_address(link)
            file, _, anchor = link.partition("/blob/main/")[2].partition("#")
            assert (HERE / file).is_file(), link
            headings = re.findall(r"^#+ (.*)$", (HERE / file).read_text("utf-8"), re.MULTILINE)
            assert not anchor or anchor in map(slug, headings), link


def slug(heading: str) -> str:
    """The anchor of a heading, as GitHub and MkDocs have it."""
    words = re.sub(r"[^\w\s-]", "", heading.lower()).strip()
    return re.sub(r"[\s-]+", "-", words)


def test_the_address_is_set_in_one_place(maker: ModuleType) -> None:
    link = f"{maker.REPOSITORY}/blob/main/docs/fit.md"
    assert maker.with_address(link, "https://github.com/me/tfgan2") == (
        "https://github.com/me/tfgan2/blob/main/docs/fit.md"
    )
    colab = "https://colab.research.google.com/github/a/tfgan2/blob/main/x.ipynb"
    assert maker.with_address(colab, "https://github.com/me/tfgan2") == colab.replace("/a/", "/me/")
    other = "https://github.com/google/tfgan2/issues"
    assert maker.with_address(other) == other


# --- the names in them ---------------------------------------------------------------------------


def name_of(node: ast.AST) -> str:
    """A dotted name such as tfgan2.fit, or nothing."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (base := name_of(node.value)):
        return f"{base}.{node.attr}"
    return ""


@each_notebook
def test_every_name_of_the_package_exists(path: Path) -> None:
    names = set()
    for node in (node for tree in trees(path) for node in ast.walk(tree)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("tfgan2"):
            module = importlib.import_module(str(node.module))
            assert all(hasattr(module, alias.name) for alias in node.names), ast.unparse(node)
        if isinstance(node, ast.Attribute):
            names.add(name_of(node))
    ours = {name for name in names if re.fullmatch(r"tfgan2\.\w+", name)}
    assert ours
    assert all(hasattr(tfgan2, name.partition(".")[2]) for name in ours)
    methods = {name.split(".")[1] for name in names if name.startswith("run.")}
    assert all(hasattr(Run, name) or name == "location" for name in methods), methods


@each_notebook
def test_every_flavour_and_option_exists(path: Path) -> None:
    options = set(inspect.signature(tfgan2.fit).parameters)
    calls = [node for tree in trees(path) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    for call in (call for call in calls if name_of(call.func) == "tfgan2.fit"):
        flavour = ast.literal_eval(call.args[0])
        assert {keyword.arg for keyword in call.keywords} <= options
        if flavour not in registry.FLAVOURS:
            assert path.stem == "your_own_flavour"
            continue
        given = [key for key in call.keywords if key.arg == "hyperparameters"]
        for keyword in given:
            assert set(ast.literal_eval(keyword.value)) <= set(registry.hyperparameters(flavour))


# --- how they are made ---------------------------------------------------------------------------


def test_chatter_is_removed_and_one_line_about_a_step_kept(maker: ModuleType) -> None:
    def rich(text: str) -> Any:
        data = {"text/plain": text, "text/html": f"<pre>{text}</pre>"}
        return nbformat.v4.new_output("display_data", data=data)

    lines = [
        "loading TensorFlow\n",
        "data: /a/b/digits\n",
        "step 1/3 | a\n",
        "step 3/3 | b\n",
        "done\n",
    ]
    cell = nbformat.v4.new_code_cell("x", outputs=[*map(rich, lines)], execution_count=1)
    notebook = nbformat.v4.new_notebook(cells=[cell])
    maker.trim(notebook, "/a/b")
    (output,) = notebook.cells[0].outputs
    assert output.output_type == "stream"
    assert output.text == "data: digits\nstep 3/3 | b\ndone\n"


def test_bars_end_of_lines_and_large_images(maker: ModuleType) -> None:
    printed = "\x1b[1mfile\x1b[0m\r\n 10%\r 100%\r\ndone\r\n"
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (250, 250, 3), np.uint8))
    buffer = io.BytesIO()
    noise.save(buffer, "PNG")
    image = {"image/png": b64encode(buffer.getvalue()).decode(), "text/plain": "<Image>"}
    outputs = [
        nbformat.v4.new_output("stream", name="stderr", text=printed),
        nbformat.v4.new_output("display_data", data=image),
    ]
    cell = nbformat.v4.new_code_cell("x", outputs=outputs, execution_count=1)
    notebook = nbformat.v4.new_notebook(cells=[cell])
    maker.trim(notebook, "/a/b")
    text, shown = notebook.cells[0].outputs
    assert text.text == "file\n 100%\ndone\n"
    assert list(shown.data) == ["image/jpeg"] and len(shown.data["image/jpeg"]) < len(
        image["image/png"]
    )


def test_a_notebook_that_takes_too_long_is_stopped(maker: ModuleType, tmp_path: Path) -> None:
    cell = nbformat.v4.new_code_cell("import time; time.sleep(100)")
    path = tmp_path / "slow.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[cell]), path)
    with pytest.raises(TimeoutError, match=r"slow\.ipynb took more than 0\.5 s"):
        maker.execute(path, tmp_path, 0.5)


def test_an_animation_becomes_a_png(maker: ModuleType) -> None:
    frames = [Image.fromarray(np.full((8, 8), level, np.uint8)) for level in (10, 120, 240)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=100, loop=0)
    data = {"image/gif": b64encode(buffer.getvalue()).decode()}
    outputs = [nbformat.v4.new_output("display_data", data=data)]
    cell = nbformat.v4.new_code_cell("x", outputs=outputs, execution_count=1)
    notebook = nbformat.v4.new_notebook(cells=[cell])
    for _ in range(2):  # what is small already stays as it is
        maker.trim(notebook, "/a/b")
        (shown,) = notebook.cells[0].outputs
        assert list(shown.data) == ["image/png"]
        with Image.open(io.BytesIO(b64decode(shown.data["image/png"]))) as image:
            assert image.n_frames == 3


def test_a_page_has_the_text_the_code_and_the_images() -> None:
    hooks = module_at(HERE / "docs/site/hooks.py")
    for path in NOTEBOOKS:
        text, images = hooks.notebook(path)
        assert text.startswith("# ") and f"[Download the notebook]({path.name})" in text
        assert "colab-badge" not in text and "/blob/main/docs/" not in text.replace(
            f"/blob/main/docs/notebooks/{path.name})", ""
        )
        assert images and all(f"]({name})" in text for name in images)
        starts = {content[:4] for content in images.values()}
        assert starts <= {b"\x89PNG", b"\xff\xd8\xff\xe0"}
        assert text.count("```python\n") == len(code_cells(path))
