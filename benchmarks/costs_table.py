"""Counts and measures what every flavour costs.

python benchmarks/costs_table.py                    # all flavours, some minutes each with XLA
python benchmarks/costs_table.py dcgan wgan-gp --no-measure --out /tmp/costs

Runs `tfgan2 info NAME --cost` for one flavour after the other and writes OUT.md and OUT.json, which
keep their figures of other flavours and, with `--no-measure`, what was measured.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from command_line import errors_in_one_line

from tfgan2 import registry
from tfgan2.errors import UserError
from tfgan2.files import written_atomically

COLUMNS = (
    *("flavour", "images", "training, GFLOP per image", "GFLOP per step"),
    *("generator, MFLOP per image", "weights", "optimizers MB", "checkpoint MB"),
    *("gradients MB per step", "updates", "written MB per image"),
    *("images/s here", "GFLOP/s", "of peak"),
)
INTRODUCTION = """\
# What every flavour costs

Each flavour with its defaults in float32, at {shape}. Made by

```
python benchmarks/costs_table.py
```

[costs.md](../costs.md) explains the figures. [costs.json](costs.json) has more of them: phases, and
FLOPs by op. A step is one update of the generator with all updates of its opponent; "images" are
the real images that it takes. Counted with tfgan2 {counted}. Measured with tfgan2 {measured} on:
{machine}; data in memory.

"""


def cost(name: str, words: list[str]) -> dict[str, Any]:
    """Returns the figures of `tfgan2 info NAME --cost`, run as a process."""
    program = Path(sys.executable).with_name("tfgan2")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cost.json"
        subprocess.run(
            [str(program), "info", name, "--cost", *words, "--json", str(file)], check=True
        )
        return json.loads(file.read_text(encoding="utf-8"))


def number(value: float) -> str:
    """Formats a number with three significant digits."""
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 100 else f"{value:.3g}"


def rounded(value: Any) -> Any:
    """Rounds measured numbers, which are floats, to four significant digits."""
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [rounded(part) for part in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def table(flavours: list[dict[str, Any]]) -> str:
    """Returns the table in Markdown."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for item in flavours:
        counted, measured = item["counted"], item["measured"]
        step = counted["step"]
        generator = next(iter(counted["exports"].values()))
        cells = [
            f"`{item['flavour']}`",
            f"{counted['images_per_step']}",
            number(step["flops_per_image"] / 1e9),
            number(step["flops"] / 1e9),
            number(generator["flops"] / 1e6),
            f"{sum(counted['parameters'].values()):,}",
            number(counted["optimizer_bytes"] / 1e6),
            number(counted["checkpoint_bytes"] / 1e6),
            number(step["gradient_bytes"] / 1e6),
            f"{step['updates']:g}",
            number(step["written_bytes_per_image"] / 1e6),
        ]
        if measured is None:
            cells += ["", "", ""]
        else:
            cells += [
                number(measured["images_per_second"]),
                number(measured["flops_per_second"] / 1e9),
                f"{measured['share_of_peak']:.0%}",
            ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def versions(items: Iterable[dict[str, Any]]) -> str:
    """Returns the versions of tfgan2 that figures are of."""
    return " or ".join(sorted({item["tfgan2"] for item in items})) or "nothing yet"


def introduction(content: dict[str, Any]) -> str:
    flavours = content["flavours"]
    timed = [item for item in flavours if item["measured"]]
    devices = sorted({item["measured"]["devices"] for item in timed})
    return INTRODUCTION.format(
        shape="x".join(map(str, flavours[0]["image_shape"])),
        counted=versions(item["versions"] for item in flavours),
        # Measured before it was counted again, it has versions of its own.
        measured=versions(item["measured"].get("versions", item["versions"]) for item in timed),
        machine=f"{' or '.join(devices) or 'nothing yet'}, {content['cores']} cores",
    )


def write(out: Path, content: dict[str, Any]) -> None:
    """Writes both files."""
    flavours = content["flavours"]
    text = introduction(content) + table(flavours)
    out.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(rounded(item)) for item in flavours)  # one for each flavour
    kept = json.dumps({**content, "flavours": []}).replace("[]", f"[\n{lines}\n]")
    for suffix, part in ((".md", text), (".json", kept + "\n")):
        with written_atomically(out.with_suffix(suffix)) as partial:
            partial.write_text(part, encoding="utf-8")


def before(options: argparse.Namespace) -> dict[str, Any]:
    """Returns the figures in OUT.json; refuses those of another shape or other cores."""
    file = options.out.with_suffix(".json")
    if not file.exists():
        return {}
    content = json.loads(file.read_text(encoding="utf-8"))
    shape = [options.image_size, options.image_size, options.channels]
    if any(item["image_shape"] != shape for item in content["flavours"]):
        raise UserError(f"'{file}' is of images of another shape: give another --out")
    if not options.no_measure and content["cores"] != os.cpu_count():
        raise UserError(f"'{file}' is of {content['cores']} cores: give another --out")
    return content


@errors_in_one_line()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("flavours", nargs="*", help="default: all")
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10, help="timed steps of each phase")
    parser.add_argument("--no-measure", action="store_true", help="only count")
    parser.add_argument("--no-xla", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("runs/costs"), help="no suffix")
    options = parser.parse_args()
    words = ["--image-size", str(options.image_size), "--channels", str(options.channels)]
    if options.no_measure:
        words.append("--no-measure")
    else:
        words += ["--steps", str(options.steps), *(["--no-xla"] if options.no_xla else [])]
    for name in options.flavours:
        registry.find(name)
    content = before(options) or {"system": platform.platform(), "cores": os.cpu_count()}
    kept = {item["flavour"]: item for item in content.get("flavours", [])}
    for name in options.flavours or list(registry.FLAVOURS):
        new, old = cost(name, words), kept.get(name)
        if new["measured"] is None and old and old["measured"]:
            new["measured"] = {"versions": old["versions"], **old["measured"]}
        kept[name] = new
        content["flavours"] = [kept[known] for known in registry.FLAVOURS if known in kept]
        write(options.out, content)  # so that nothing is lost if one fails
    print(options.out.with_suffix(".md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
