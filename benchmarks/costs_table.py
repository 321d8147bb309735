"""What every flavour costs: counted, measured here, predicted for GPUs.

python benchmarks/costs_table.py                    # all, some minutes each with XLA
python benchmarks/costs_table.py dcgan wgan-gp --no-measure --out /tmp/costs

Runs `tfgan2 info NAME --cost` for each, one after the other, and writes OUT.md and OUT.json. What
stands there of flavours that are not asked for is kept.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from tfgan2 import registry
from tfgan2.files import written_atomically

SHOWN = ("v100", "a100", "h100")
GPUS = (1, 8, 64)
COLUMNS = (
    *("flavour", "images", "training, GFLOP per image", "GFLOP per step"),
    *("generator, MFLOP per image", "weights", "optimizers MB", "checkpoint MB"),
    *("gradients MB per step", "updates", "written MB per image"),
    *("images/s here", "GFLOP/s", "of peak"),
)
INTRODUCTION = """\
# What every flavour costs

At {shape}, each flavour at its defaults in float32. Made by

```
python benchmarks/costs_table.py
```

[costs.md](../costs.md) says what is counted and what is assumed. [costs.json](costs.json) has the
rest: phases, FLOPs by op, all GPUs, what each takes to compute and to share gradients.

## Counted and measured

"Per step" is per update of the generator, with all updates of its opponent; "images" are the real
ones that a step takes. Measured on: {machine}; data in memory.

"""
PREDICTED = """
## Predicted for GPUs

Predicted, not measured: images/s, "cautious" to "bound", every GPU with the batch above. The
all-reduce is that of 64 GPUs, of the cautious kind.

"""


def cost(name: str, words: list[str]) -> dict[str, Any]:
    """What `tfgan2 info NAME --cost` finds, in a process of its own."""
    program = Path(sys.executable).with_name("tfgan2")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cost.json"
        subprocess.run(
            [str(program), "info", name, "--cost", *words, "--json", str(file)], check=True
        )
        return json.loads(file.read_text(encoding="utf-8"))


def number(value: float) -> str:
    """Three digits that count."""
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 100 else f"{value:.3g}"


def rounded(value: Any) -> Any:
    """The same with numbers of four digits where they were not counted."""
    if isinstance(value, dict):
        return {key: rounded(part) for key, part in value.items()}
    if isinstance(value, list):
        return [rounded(part) for part in value]
    return float(f"{value:.4g}") if isinstance(value, float) else value


def counted(found: list[dict[str, Any]]) -> str:
    """The first table in Markdown."""
    lines = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for item in found:
        all_of_it, measured = item["counted"], item["measured"]
        step = all_of_it["step"]
        generator = next(iter(all_of_it["exports"].values()))
        cells = [
            f"`{item['flavour']}`",
            f"{all_of_it['images_per_step']}",
            number(step["flops_per_image"] / 1e9),
            number(step["flops"] / 1e9),
            number(generator["flops"] / 1e6),
            f"{sum(all_of_it['parameters'].values()):,}",
            number(all_of_it["optimizer_bytes"] / 1e6),
            number(all_of_it["checkpoint_bytes"] / 1e6),
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


def predicted(found: list[dict[str, Any]]) -> str:
    """The second table in Markdown."""
    titles = [f"{card}, {gpus}" for card in SHOWN for gpus in GPUS]
    lines = [
        f"| flavour | {' | '.join(titles)} | {SHOWN[-1]}, all-reduce ms |",
        "|---" * (len(titles) + 2) + "|",
    ]
    for item in found:
        cells = [f"`{item['flavour']}`"]
        cards = item["predicted"]["cards"]
        for card in SHOWN:
            for low, high in zip(cards[card]["cautious"], cards[card]["bound"], strict=True):
                if low["gpus"] in GPUS:
                    both = (number(row["images_per_second"]) for row in (low, high))
                    cells.append(" to ".join(both))
        last = cards[SHOWN[-1]]["cautious"][-1]
        cells.append(number(last["all_reduce_seconds"] * 1e3))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def write(out: Path, content: dict[str, Any]) -> None:
    """Both files."""
    found = content["flavours"]
    shape = "x".join(map(str, found[0]["image_shape"]))
    devices = {item["measured"]["devices"] for item in found if item["measured"]}
    machine = f"{' or '.join(sorted(devices)) or 'nothing yet'}, {content['cores']} cores"
    text = INTRODUCTION.format(shape=shape, machine=machine)
    text += counted(found) + PREDICTED + predicted(found)
    out.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n".join(json.dumps(rounded(item)) for item in found)  # one for each flavour
    kept = json.dumps({**content, "flavours": []}).replace("[]", f"[\n{lines}\n]")
    for suffix, part in ((".md", text), (".json", kept + "\n")):
        with written_atomically(out.with_suffix(suffix)) as partial:
            partial.write_text(part, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("flavours", nargs="*", help="default: all")
    parser.add_argument("--image-size", type=int, default=32)
    parser.add_argument("--channels", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10, help="that are timed of each phase")
    parser.add_argument("--no-measure", action="store_true", help="count and predict alone")
    parser.add_argument("--no-xla", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("docs/results/costs"), help="no suffix")
    given = parser.parse_args()
    words = ["--image-size", str(given.image_size), "--channels", str(given.channels)]
    if given.no_measure:
        words.append("--no-measure")
    else:
        words += ["--steps", str(given.steps), *(["--no-xla"] if given.no_xla else [])]
    kept: dict[str, Any] = {}
    file = given.out.with_suffix(".json")
    if file.exists():
        before = json.loads(file.read_text(encoding="utf-8"))
        shape = [given.image_size, given.image_size, given.channels]
        same = [item for item in before["flavours"] if item["image_shape"] == shape]
        kept = {item["flavour"]: item for item in same}
    content: dict[str, Any] = {"system": platform.platform(), "cores": os.cpu_count()}
    for name in given.flavours or list(registry.FLAVOURS):
        kept[name] = cost(name, words)
        content["flavours"] = [kept[known] for known in registry.FLAVOURS if known in kept]
        write(given.out, content)  # so that nothing is lost if one fails
    print(given.out.with_suffix(".md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
