"""Writes docs/options.md from the declarations of the hyperparameters.

python docs/make_options.py
"""

from __future__ import annotations

from pathlib import Path

from tfgan2 import registry
from tfgan2.hyperparameters import PRESETS, Option

PAGE = Path(__file__).with_name("options.md")
HEAD = """# Hyperparameters

Each row is one option of `tfgan2 fit FLAVOUR --set KEY=VALUE`, and one keyword argument of
`tfgan2.create`. "none" as a default means that the value depends on other options;
`tfgan2 fit … --dry-run` shows it. `tfgan2 info FLAVOUR` lists the options of one flavour. This page
is made from the declarations in `tfgan2/models` by `python docs/make_options.py`.
"""


def values(item: Option) -> str:
    """The possible values of an option."""
    if item.choices is not None:
        return ", ".join(map(str, item.choices))
    kind = item.type.replace(" | None", "")
    if kind not in ("int", "float"):
        return "true, false" if kind == "bool" else kind
    low, high = item.at_least, item.at_most
    return f"{kind} ≥ {low:g}" if high is None else f"{kind} {low:g} to {high:g}"


def page() -> str:
    """The whole page in Markdown."""
    users: dict[tuple[str, str], dict[str, str]] = {}
    items: dict[tuple[str, str], Option] = {}
    for flavour in registry.FLAVOURS:
        for name, item in registry.hyperparameters(flavour).items():
            key = (name, item.help)
            items.setdefault(key, item)
            users.setdefault(key, {})[flavour] = item.default_text()
    shared = [key for key in items if len(users[key]) > 1]
    lines = [HEAD, "## Shared by several flavours", ""]
    lines += ["| option | values | default | meaning | flavours |", "|---|---|---|---|---|"]
    for key in sorted(shared, key=lambda key: (-len(users[key]), key)):
        name, help = key
        all_values = list(users[key].values())
        counts = sorted(dict.fromkeys(all_values), key=lambda x: -all_values.count(x))
        others = [
            f"{value} in {', '.join(f for f, own in users[key].items() if own == value)}"
            for value in counts[1:]
        ]
        text = "; ".join([counts[0], *others])
        flavours = ", ".join(users[key])
        lines.append(f"| `{name}` | {values(items[key])} | {text} | {help} | {flavours} |")
    for flavour in registry.FLAVOURS:
        own = [key for key in items if list(users[key]) == [flavour]]
        if own:
            lines += ["", f"## `{flavour}`", "", "| option | values | default | meaning |"]
            lines.append("|---|---|---|---|")
            for key in own:
                name, help = key
                lines.append(
                    f"| `{name}` | {values(items[key])} | {items[key].default_text()} | {help} |"
                )
    return "\n".join([*lines, *presets()]) + "\n"


def presets() -> list[str]:
    """The lines on the presets of all flavours."""
    lines = ["", "## Presets", "", "Values that `tfgan2 fit FLAVOUR --preset NAME` sets:", ""]
    lines += [f"- `{name}`: {text}" for name, text in PRESETS.items()]
    lines += ["", "| flavour | preset | values |", "|---|---|---|"]
    for flavour in registry.FLAVOURS:
        for name, values in registry.outline(flavour).Config.presets.items():
            text = " ".join(f"{key}={value}" for key, value in values.items())
            sizes = f", {values.sizes}" if values.sizes else ""
            lines.append(f"| `{flavour}` | `{name}`{sizes} | {text or 'those of the defaults'} |")
    return lines


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
