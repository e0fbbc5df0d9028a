"""Build the gallery: run the script of every figure and table, write the page about them.

A script is ``radu_*.py``, ``turner_*.py`` or ``pothos_*.py`` in this folder. Its docstring's
first line names the item, `NOTE` says what disagrees and why we think so, and ``main()`` draws
``docs/images/gallery/<script>.png`` and returns ``{"rows": [...]}`` made by `agreement`. Each
runs in a process of its own, so that one that fails or hangs costs its own place only.

``python analysis/gallery.py`` writes analysis/README.md and build/gallery.html (one file, pictures
inside); names of scripts as arguments rerun those only and keep the others' last results.
"""

from __future__ import annotations

import argparse
import ast
import base64
import html
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import agreement

ROOT = Path(__file__).resolve().parents[1]
PAPERS = {
    "radu": "Radu et al., Performance Aware CNN Channel Pruning for Embedded GPUs, IISWC 2019",
    "turner": "Turner et al., Characterising Across-Stack Optimisations for Deep CNNs, IISWC 2018",
    "pothos": "Pothos et al., Deep Learning Inference with Dynamic Graphs, IJPP 2020",
}
LIMIT_S = 900
"""Time limit of one script, seconds."""
_CALL = (
    "import importlib, json, sys; print(json.dumps(importlib.import_module(sys.argv[1]).main()))"
)
_PREAMBLE = """# Gallery: the papers' figures and tables, simulated

Every picture is drawn by the script named below it, on device models and library models, with no
hardware. `make papers` rebuilds this page and `build/gallery.html` (the same in one file). An error
is ours against the published value; "fitted" marks values that a model was fitted to, which test
nothing. Where a value was never published in words, only direction and shape can be compared.
Directions that fail are explained in [deviations](../docs/deviations.md).
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A place in the gallery."""

    name: str
    """Of the script and the picture."""
    title: str
    note: str
    rows: tuple[dict[str, Any], ...]
    failure: str = ""
    """Why there are no rows."""

    @property
    def paper(self) -> str:
        """Key of `PAPERS`."""
        return self.name.partition("_")[0]


def discover(folder: Path) -> list[Path]:
    """Return the scripts of a folder that have a ``main``, in the order of papers and numbers."""
    found = [
        path
        for paper in PAPERS
        for path in sorted(folder.glob(f"{paper}_*.py"), key=lambda path: _natural(path.stem))
    ]
    return [path for path in found if _has_main(path)]


def run_item(script: Path, *, limit_s: float = LIMIT_S) -> Item:
    """Run a script in a process of its own and return its place in the gallery."""
    title, note = describe(script)
    paths = [str(script.parent), str(ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    rows: tuple[dict[str, Any], ...] = ()
    failure = ""
    try:
        done = subprocess.run(
            [sys.executable, "-c", _CALL, script.stem],
            capture_output=True,
            text=True,
            timeout=limit_s,
            env=environment,
            check=False,
        )
    except subprocess.TimeoutExpired:
        failure = f"not done within {limit_s:g} s"
    else:
        if done.returncode == 0:
            rows = tuple(json.loads(done.stdout.splitlines()[-1])["rows"])
        else:
            failure = (done.stderr.strip().splitlines() or ["ended without a word"])[-1]
    return Item(name=script.stem, title=title, note=note, rows=rows, failure=failure)


def describe(script: Path) -> tuple[str, str]:
    """Return the first line of a script's docstring and its `NOTE`, without running it."""
    tree = ast.parse(script.read_text(encoding="utf-8"))
    title = (ast.get_docstring(tree) or script.stem).splitlines()[0]
    notes = [
        node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and node.targets[0].id == "NOTE"
        and isinstance(node.value, ast.Constant)
    ]
    return title, " ".join(str(notes[0]).split()) if notes else ""


def summary(items: Sequence[Item]) -> str:
    """Return one sentence: how many numbers and directions agree."""
    rows = [row for item in items for row in item.rows if not row["calibrated"]]
    errors = [abs(row["error"]) for row in rows if row["error"] is not None]
    claims = [row["holds"] for row in rows if "holds" in row]
    near = sum(error <= 0.1 for error in errors)
    return (
        f"{len(items)} items. Of {len(errors)} published numbers that nothing was fitted to, "
        f"{near} are met within 10 %; of {len(claims)} stated directions, {sum(claims)} hold."
    )


def markdown(items: Sequence[Item]) -> str:
    """Return the text of the page."""
    parts = [_PREAMBLE, summary(items) + "\n"]
    for paper, name in PAPERS.items():
        own = [item for item in items if item.paper == paper]
        if own:
            parts.append(f"## {name}\n")
        for item in own:
            parts.append(f"### {item.title.rstrip('.')}\n")
            if item.failure:
                parts.append(f"`analysis/{item.name}.py` gave no result: {item.failure}\n")
                continue
            parts.append(f"![{item.title}](../docs/images/gallery/{item.name}.png)\n")
            parts.append(f"`analysis/{item.name}.py`\n")
            parts.append("| | published | ours | error |\n|---|--:|--:|--:|")
            parts.append(
                "\n".join("| " + " | ".join(cells) + " |" for cells in map(_cells, item.rows))
                + "\n"
            )
            if item.note:
                parts.append(item.note + "\n")
    return "\n".join(parts)


def page(items: Sequence[Item], pictures: Path) -> str:
    """Return the same as one HTML page with its pictures inside."""
    out = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>gpusim: gallery</title><style>",
        "body{font:15px/1.5 sans-serif;max-width:60em;margin:2em auto;padding:0 1em}",
        "table{border-collapse:collapse}td,th{padding:.1em .8em;border-bottom:1px solid #ddd}",
        "td+td{text-align:right}img{max-width:100%}</style><h1>Gallery</h1>",
        f"<p>{html.escape(summary(items))}</p>",
    ]
    for paper, name in PAPERS.items():
        own = [item for item in items if item.paper == paper]
        if own:
            out.append(f"<h2>{html.escape(name)}</h2>")
        for item in own:
            out.append(f"<h3 id={item.name}>{html.escape(item.title)}</h3>")
            if item.failure:
                out.append(f"<p>No result: {html.escape(item.failure)}</p>")
                continue
            picture = pictures / f"{item.name}.png"
            if picture.is_file():
                data = base64.b64encode(picture.read_bytes()).decode("ascii")
                alt = html.escape(item.title, quote=True)
                out.append(f'<img alt="{alt}" src="data:image/png;base64,{data}">')
            out.append("<table><tr><th><th>published<th>ours<th>error")
            out += [
                "<tr>" + "".join(f"<td>{html.escape(cell)}" for cell in _cells(row))
                for row in item.rows
            ]
            out.append(f"</table><p>{html.escape(item.note)}</p>")
    return "\n".join(out)


def _cells(row: dict[str, Any]) -> tuple[str, str, str, str]:
    unit = f" {row['unit']}" if row["unit"] else ""
    published = agreement.text(row["published"])
    if row["published"] is not None and "holds" not in row:
        published += unit
    if "holds" in row:
        error = "" if row["holds"] else "fails"
    else:
        error = "" if row["error"] is None else f"{row['error']:+.1%}"
    if row["calibrated"]:
        error = f"{error} fitted".strip()
    return row["what"], published, agreement.text(row["ours"]) + unit, error


def _natural(name: str) -> tuple[str, int]:
    digits = "".join(letter for letter in name if letter.isdigit())
    return name.rstrip("0123456789"), int(digits or 0)


def _has_main(path: Path) -> bool:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body)


def _load(path: Path) -> dict[str, Item]:
    if not path.is_file():
        return {}
    return {name: Item(**fields) for name, fields in json.loads(path.read_text()).items()}


def main() -> int:
    """Run the scripts, two at a time, and write both pages; 1 if one gave no result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="scripts to run again (default: all)")
    parser.add_argument("--limit", type=float, default=LIMIT_S, help="seconds per script")
    options = parser.parse_args()
    scripts = discover(Path(__file__).resolve().parent)
    unknown = set(options.names) - {script.stem for script in scripts}
    if unknown:
        parser.error(f"no such script: {', '.join(sorted(unknown))}")
    build = ROOT / "build"
    build.mkdir(exist_ok=True)
    kept = _load(build / "gallery.json")
    todo = [script for script in scripts if not options.names or script.stem in options.names]
    with ThreadPoolExecutor(2) as pool:
        for item in pool.map(lambda script: run_item(script, limit_s=options.limit), todo):
            kept[item.name] = item
            print(f"{item.name}: {item.failure or 'done'}", flush=True)
    items = [kept[script.stem] for script in scripts if script.stem in kept]
    document = {
        item.name: {
            "name": item.name,
            "title": item.title,
            "note": item.note,
            "rows": item.rows,
            "failure": item.failure,
        }
        for item in items
    }
    (build / "gallery.json").write_text(json.dumps(document, indent=1), encoding="utf-8")
    pictures = ROOT / "docs/images/gallery"
    (ROOT / "analysis/README.md").write_text(markdown(items), encoding="utf-8")
    (build / "gallery.html").write_text(page(items, pictures), encoding="utf-8")
    print(summary(items))
    return 1 if any(item.failure for item in items) else 0


if __name__ == "__main__":
    sys.exit(main())
