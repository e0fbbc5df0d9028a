"""RADU Fig. 18: what the extra job of 97 channels adds to layer 16, relative to 96 channels."""

from __future__ import annotations

from typing import Any

import agreement
import drawing

from gpusim import load_trace, replay
from gpusim.report import Report
from gpusim.resources import traces_dir

NOTE = """
The text states the direction of each count, not its height; the instructions follow from Tables
III and IV. Jobs, register writes and interrupts are those of the modelled job manager and driver.
All rise; the run time rises least, as a remainder job costs little in the model of a warm GPU.
"""
COUNTS = {
    "jobs": "JS1_JOBS",
    "register writes": "driver.register_writes",
    "register reads": "driver.register_reads",
    "interrupts": "driver.interrupts",
}


def main() -> dict[str, Any]:
    """Replay both traces, draw, compare."""
    few, many = (
        replay(load_trace(traces_dir() / f"resnet50-l16-c{channels}.gptrace"), "mali-g72")
        for channels in (96, 97)
    )
    ratios = {
        name: many.counters[counter] / few.counters[counter]
        for name, counter in COUNTS.items()
        if few.counters.get(counter)
    }
    ratios["memory instructions"] = _memory(many) / _memory(few)
    ratios["run time"] = many.total_ps / few.total_ps
    drawing.bars(
        "radu_fig18",
        {"ours": list(ratios.values())},
        list(ratios),
        title="Layer 16 with 97 channels on Mali-G72, relative to 96",
        y="97 / 96 channels",
    )
    published = {"memory instructions": _TABLE_IV / _TABLE_III, "run time": 23 / 14}
    rows = [
        agreement.number(name, published.get(name), ratio, unit="x")
        for name, ratio in ratios.items()
    ]
    rows.append(agreement.claim("every count rises", all(ratio > 1 for ratio in ratios.values())))
    return {"rows": rows}


_TABLE_III = 221_376 + 3_615_808 + 43_521_408
_TABLE_IV = 223_682 + 3_615_808 + 43_521_408 + 1_813_392


def _memory(report: Report) -> int:
    return sum(job.memory_instructions for row in report.launches for job in row.jobs)


if __name__ == "__main__":
    agreement.show(main()["rows"])
