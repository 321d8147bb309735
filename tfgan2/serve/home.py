"""The page at /."""

from __future__ import annotations

from html import escape
from urllib.parse import quote

from tfgan2.runtime import Generator
from tfgan2.serve.models import Served

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui; max-width: 40rem; margin: 2rem auto; padding: 0 1rem }}
img {{ display: block; min-width: 12rem; max-width: 100%; margin: 1rem 0 }}
img {{ image-rendering: pixelated }}
</style>
<h1>{title}</h1>
{content}
<p><a href="docs">API</a> · <a href="metadata">metadata</a> · <a href="metrics">metrics</a></p>
</html>
"""

_GENERATOR = """<form onsubmit="show(); return false">
<label>seed <input id="seed" type="number" min="0" value="0" oninput="show()"></label>
{classes}
</form>
<img id="image" src="generate.png?count=16&amp;seed=0" alt="generated images">
<script>
let more = "";
function show() {{
  const seed = Math.max(0, parseInt(document.getElementById("seed").value) || 0);
  document.getElementById("image").src = "generate.png?count=16&seed=" + seed + more;
}}
</script>"""

_TRANSLATOR = """<form action="translate" method="post" enctype="multipart/form-data">
<p><label>picture <input type="file" name="image" accept="image/*" required></label></p>
{mask}
<button>translate</button>
</form>"""

_MASK = """<p><label>mask, white where to fill (default: the middle)
<input type="file" name="mask" accept="image/*"></label></p>"""


def home_page(served: Served) -> str:
    """A page that shows what a file makes, in HTML."""
    about = served.metadata.get("about", {})
    title = (
        " · ".join(str(about[key]) for key in ("flavour", "dataset") if about.get(key))
        or served.path.name
    )
    if isinstance(served.network, Generator):
        content = _GENERATOR.format(classes=_classes(served.network))
    else:
        content = _TRANSLATOR.format(mask=_MASK if served.network.takes_mask else "")
    return _PAGE.format(title=escape(title), content=content)


def _classes(generator: Generator) -> str:
    if not generator.conditional:
        return ""
    choices = [("", "all"), *(("&label=" + quote(name), name) for name in generator.class_names)]
    return " ".join(
        f'<button type="button" data-more="{escape(more)}" '
        f'onclick="more = this.dataset.more; show()">{escape(name)}</button>'
        for more, name in choices
    )
