"""Writes docs/results.md from the finished cells of study.py and the samples of others."""

from __future__ import annotations

import json
import os
from pathlib import Path
from statistics import median
from typing import Any

from jinja2 import Template
from study_cells import PUBLISHED, TIERS, Tier

Cell = dict[str, Any]
Group = dict[str, list[Cell]]
"""The cells of one protocol, by row."""
COLUMNS = {
    "fid": ("FID", "{:.2f}"),
    "kid": ("KID x 1000", "{:.2f}"),
    "is": ("IS", "{:.2f}"),
    "precision": ("precision", "{:.3f}"),
    "recall": ("recall", "{:.3f}"),
    "density": ("density", "{:.3f}"),
    "coverage": ("coverage", "{:.3f}"),
    "classes_found": ("classes", "{:.0f}"),
    "modes_found": ("modes of 1,000", "{:.0f}"),
    "mode_kl": ("KL of modes", "{:.2f}"),
    "label_accuracy": ("labels right", "{:.1%}"),
}
DEFAULT_FEATURES = "efficientnet-lite0"
PEER = "peer-"
"""How the file names of other people's samples begin."""

TEMPLATE = Path(__file__).with_name("study_page.md.j2")


def page(results: Path, to: Path) -> str:
    """Returns the page in Markdown, from the finished cells below `results`."""
    tables = {
        name: "\n".join(
            line
            for dataset in tier.rows
            for line in section(tier, dataset, results / tier.folder / dataset, to)
        ).rstrip()
        for name, tier in TIERS.items()
    }
    template = Template(TEMPLATE.read_text("utf-8"), keep_trailing_newline=True)
    return template.render(answers="\n".join(answers(results)), **tables)


def section(tier: Tier, dataset: str, folder: Path, to: Path) -> list[str]:
    """Returns the tables and grids of a dataset in one tier."""
    heading, cells = f"### {dataset}" + (" on a GPU" if tier is TIERS["gpu"] else ""), []
    for path in sorted(folder.glob("*.json")):
        cells.append(json.loads(path.read_text("utf-8")))
    if all("peer" in cell for cell in cells):
        rows = len(tier.rows[dataset])
        return [f"{heading}\n", f"None of {rows} rows has been run yet.\n"]
    parts = [heading + "\n"]
    for group in by_protocol(cells, tier.rows[dataset]):
        parts.append(protocol_line([cell for row in group.values() for cell in row]) + "\n")
        parts.append("\n".join(table(group, tier, dataset)) + "\n")
    return [*parts, *details(cells, tier.rows[dataset], folder, to)]


def by_protocol(cells: list[Cell], rows: Any) -> list[Group]:
    """Groups cells whose figures can be compared: by the default features first, then by size.

    The seed of latents distinguishes no figures; samples of others have none. Nor does the judge of
    classes, of which each machine trains its own, unless its version differs.
    """
    groups: dict[str, Group] = {}
    order = {name: index for index, name in enumerate(rows)}
    for cell in sorted(cells, key=lambda cell: order.get(name_of(cell), len(order))):
        images = cell["protocol"]["samples"]["images"]
        version = (cell.get("judge") or {}).get("version")
        protocol = {**cell["protocol"], "samples": {"images": images}, "judge": version}
        group = groups.setdefault(json.dumps(protocol, sort_keys=True), {})
        group.setdefault(name_of(cell), []).append(cell)

    def rank(group: Group) -> tuple[bool, int]:
        features = next(iter(group.values()))[0]["protocol"]["features"]["name"]
        return features != DEFAULT_FEATURES, -len(group)

    return sorted(groups.values(), key=rank)


def name_of(cell: Cell) -> str:
    """The name of a cell's row, or of other people's samples."""
    return str(cell["peer"]["name"] if "peer" in cell else cell["flavour"])


def table(group: Group, tier: Tier, dataset: str) -> list[str]:
    """Returns a table with median and spread of each row; on a GPU with rows that are empty."""
    known = {name for cells in group.values() for cell in cells for name in cell["figures"]}
    figures = [name for name in COLUMNS if name in known]
    on_gpu, published = tier is TIERS["gpu"], PUBLISHED.get(dataset, {})
    costs = ["minutes", "images/s", "card"] if on_gpu else ["core minutes"]
    heads = ["flavour", "seeds", "kimg", *costs, *(COLUMNS[name][0] for name in figures)]
    heads += ["published"] if published else []
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    names = [*tier.rows[dataset], *group] if on_gpu else list(group)
    for name in dict.fromkeys(names):
        cells = group.get(name, [])
        texts = [shown_name(name, cells), *costs_of(cells, on_gpu)]
        texts += [spread(figure, cells) for figure in figures]
        texts += [published.get(name.removesuffix("-cpu"), "")] if published else []
        lines.append("| " + " | ".join(texts) + " |")
    return lines


def shown_name(name: str, cells: list[Cell]) -> str:
    if not cells or "peer" not in cells[0]:
        return f"`{name}`"
    peer = cells[0]["peer"]
    return f"[{name}]({peer['source']}), {peer['licence']}"


def costs_of(cells: list[Cell], on_gpu: bool) -> list[str]:
    """Returns the texts of seeds, kimg and time; of others' samples only the time they gave."""
    count = 5 if on_gpu else 3
    if not cells:
        return [""] * count
    if "peer" in cells[0]:
        peer = cells[0]["peer"]
        time = f"{peer['minutes']:,.0f} on {peer['machine']}"
        return ["", "", time, "", ""] if on_gpu else ["", "", time]
    kimg = f"{cells[0]['kimg']:,.0f}"
    seconds = median(cell["seconds"] for cell in cells)
    if not on_gpu:
        core_minutes = median(cell["seconds"] * cell["cores"] / 60 for cell in cells)
        return [str(len(cells)), kimg, f"{core_minutes:.0f}"]
    speed = f"{cells[0]['kimg'] * 1000 / seconds:,.0f}"
    shared = f" / {cells[0]['jobs']}" if cells[0]["jobs"] > 1 else ""
    card = f"{cells[0]['card'] or 'none'}{shared}"
    return [str(len(cells)), kimg, f"{seconds / 60:.0f}", speed, card]


def spread(name: str, cells: list[Cell]) -> str:
    """Formats the median and, for several seeds, the smallest and largest value."""
    scale = 1000 if name == "kid" else 1
    values = sorted(cell["figures"][name] * scale for cell in cells if name in cell["figures"])
    if not values:
        return ""
    form = COLUMNS[name][1].format
    if len(values) == 1 or form(values[0]) == form(values[-1]):
        return form(median(values))
    return f"{form(median(values))} ({form(values[0])}…{form(values[-1])})"


def protocol_line(cells: list[Cell]) -> str:
    """Describes the protocol of the figures of cells, and the judges of their classes."""
    cell = cells[0]
    protocol = cell["protocol"]
    judges = {each["judge"]["weights"]: each["judge"] for each in cells if each.get("judge")}
    features, reference = protocol["features"], protocol["reference"]
    accuracy = features.get("accuracy")
    quality = f" (accuracy {accuracy:.1%} on unseen images)" if accuracy else ""
    scores = f"IS over {protocol['is']['splits']} splits; " if "is" in protocol else ""
    samples = protocol["samples"]
    seed = f", seed {samples['seed']}" if "seed" in samples else ""
    classes = ""
    if judges:
        version = next(iter(judges.values()))["version"]
        each = [f"`{key}` (accuracy {x['accuracy']:.1%})" for key, x in judges.items()]
        classes = f" Classes: `classifier`, version {version}, weights {' or '.join(each)}."
    return (
        f"Protocol `{cell['protocol_id']}`: features `{features['name']}`{quality}, weights "
        f"`{features.get('weights', '')}`; {reference['images']:,} real images, "
        f"split {reference.get('split') or 'train'}; {samples['images']:,} samples{seed}; "
        f"{scores}KID over {protocol['kid']['subsets']} subsets of "
        f"{protocol['kid']['subset_size']}; {protocol['prdc']['nearest']} nearest of the first "
        f"{protocol['prdc']['samples']:,} samples and {protocol['prdc']['real_images']:,} reals."
        f"{classes}"
    )


def details(cells: list[Cell], rows: Any, folder: Path, to: Path) -> list[str]:
    """Returns the command, a link to all hyperparameters, and the grid of each row's first seed."""
    lines, dataset = [], folder.name
    for name in rows:
        seeds = [cell for cell in cells if cell.get("flavour") == name]
        if not seeds:
            continue
        first = min(seeds, key=lambda cell: cell["seed"])
        cell = Path(os.path.relpath(folder / f"{name}-{first['seed']}", to.parent)).as_posix()
        at = f", commit {first['commit']}" if first.get("commit") else ""
        lines += [
            f"#### {name} on {dataset}\n",
            f"`{first['command']}`{at}, {first['weights']} weights{repeated(first)} "
            f"([all hyperparameters]({cell}.json))\n",
            f"![64 samples of {name} on {dataset}]({cell}.png)\n",
        ]
    return lines


def repeated(cell: Cell) -> str:
    """Says what a second training from the beginning reached."""
    if "again" not in cell:
        return ""
    figures = cell["again"]["figures"]
    if figures == cell["figures"]:
        return ", trained again from the beginning with the same figures"
    return f", trained again from the beginning with a FID of {figures['fid']:.2f}"


# --- the opening ---------------------------------------------------------------------------------


_ROWS = 2
"""Fewest rows of a table that an answer is chosen from."""
_QUESTIONS = (
    ("faces without labels", "faces", False),
    ("photographs, a class each", "cifar10", True),
    ("photographs without labels", "cifar10", False),
    ("digits, a class each", "mnist", True),
    ("digits without labels", "mnist", False),
)
"""Rows of the opening table: title, dataset, and whether its samples have labels."""


def answers(results: Path) -> list[str]:
    """Returns rows of the opening table: the best of the finished cells of the CPU tier."""
    lines = []
    for words, dataset, labelled in _QUESTIONS:
        if best := best_of(results, dataset, labelled=labelled):
            lines.append(answer(words, dataset, best))
    return lines


def best_of(results: Path, dataset: str, *, labelled: bool) -> list[Cell] | None:
    """The cells of the row with the least FID in the first table with several such rows.

    `projected` is left out, since it is trained on the features that judge it.
    """
    rows = TIERS["cpu"].rows[dataset]
    paths = sorted((results / TIERS["cpu"].folder / dataset).glob("*.json"))
    cells = [json.loads(path.read_text("utf-8")) for path in paths]
    cells = [cell for cell in cells if not cell.get("flavour", "projected").startswith("projected")]
    for group in by_protocol(cells, rows):
        fits = [
            cells
            for cells in group.values()
            if labelled == ("label_accuracy" in cells[0]["figures"])
        ]
        if len(fits) >= _ROWS:
            return min(fits, key=lambda cells: median(cell["figures"]["fid"] for cell in cells))
    return None


def answer(words: str, dataset: str, cells: list[Cell]) -> str:
    first = cells[0]
    facts = [f"FID {spread('fid', cells)} by `{first['protocol']['features']['name']}`"]
    if "label_accuracy" in first["figures"]:
        facts.append(f"{spread('label_accuracy', cells)} of the labels right")
    minutes = median(cell["seconds"] * cell["cores"] / 60 for cell in cells)
    facts.append(f"{minutes:.0f} core minutes")
    name = " ".join(first["command"].split(" --dataset")[0].split()[2:])
    return f"| {words} | `{name}` | {', '.join(facts)} ([{dataset}](#{dataset})) |"
