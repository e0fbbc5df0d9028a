"""Regenerate the tables of docs/accuracy.md from the measured files beside the checkout.

    python analysis/accuracy.py [--measured ../shared/measured] [--page docs/accuracy.md]

Nothing is fitted here: fitted figures, and every number about records that a fit has not seen,
come from the calibration records that ``gpusim calibrate --baselines`` wrote. Prose of the page is
written by hand; only what is between the markers ``<!-- begin NAME -->`` and ``<!-- end NAME -->``
is replaced.
"""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gpusim.device import load_device
from gpusim.validation.calibration_record import CalibrationRecord, load_calibration
from gpusim.validation.kernel_records import read_kernel_records
from gpusim.validation.measured_rows import MeasuredRow, read_measured_rows
from gpusim.validation.validate import Judged, Validation, summarise, validate, validate_rows

ROOT = Path(__file__).resolve().parent.parent
SLOW_MODE_FLOP_PER_CYCLE = 3.2
"""Mali-T628: compute rows below this many operations per cycle and core are its slow mode, whose
cause is not known (fast rows start at 3.7); they are left out."""
T628_CLOCK_GHZ = 0.6
FLOOR_EVERY = 6
CLPEAK_BOARDS = {
    "mali-t860": "Mali-T860MP4 (RK3399, 800MHz)",
    "mali-t628": "Mali-T628 4-core (cl1.2)",
    "mali-t628:mp2": "Mali-T628 2-core (cl1.2)",
    "adreno-530": "Adreno 530 (Galaxy S7)",
    "jetson-nano": "Jetson Nano GM20B via PoCL 1.3",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One line of the main table."""

    device: str
    data: str
    records: Sequence[Judged]


def main() -> None:
    """Run every measured file through the simulator and rewrite the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shared = Path(os.environ.get("GPUSIM_SHARED", ROOT.parent / "shared"))
    parser.add_argument("--measured", type=Path, default=shared / "measured")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "accuracy.md")
    parser.add_argument("--fidelity", default="wave")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument(
        "--records-only",
        action="store_true",
        help="rewrite only the tables that come from calibration records; simulate nothing",
    )
    options = parser.parse_args()
    calibrations = {
        device: found
        for device in ("mali-t860", "jetson-tx2")
        if (found := load_calibration(load_device(device))) is not None
    }
    calibrated = {"folds": fold_table(calibrations), "fitted": fitted_table(calibrations)}
    if options.records_only:
        rewrite(options.page, calibrated)
        return

    def records(name: str, device: str, *, uncalibrated: bool = False) -> Validation:
        found = read_kernel_records(options.measured / f"{name}_kernels.jsonl.gz")
        return validate(
            found,
            device,
            fidelity=options.fidelity,
            uncalibrated=uncalibrated,
            workers=options.workers,
        )

    def rows(name: str, device: str, keep: Callable[[MeasuredRow], bool]) -> Validation:
        found = [row for row in read_measured_rows(options.measured / name) if keep(row)]
        return validate_rows(found, device, fidelity=options.fidelity, workers=options.workers)

    t860 = records("mali_v0.06", "mali-t860")
    old = records("mali_v0.01", "mali-t860")
    tx2 = records("tx2_as_opencl", "jetson-tx2")
    plain = {
        name: records(name, device, uncalibrated=True).records
        for name, device in (
            ("mali_v0.06", "mali-t860"),
            ("mali_v0.01", "mali-t860"),
            ("tx2_as_opencl", "jetson-tx2"),
        )
        if device in calibrations
    }
    sweep = rows("opencl101_t860.csv", "mali-t860", lambda row: True)
    peaks = {
        device: rows("clpeak.csv", device, lambda row, board=board: is_used(row, board))
        for device, board in CLPEAK_BOARDS.items()
    }
    parts = [
        Part(device="mali-t860", data="TVM kernels, v0.06", records=t860.records),
        Part(device="mali-t860", data="TVM kernels, v0.01 (older templates)", records=old.records),
        Part(device="jetson-tx2", data="TVM kernels (CUDA schedules)", records=tx2.records),
        *(
            Part(device=device, data=f"{data}, uncalibrated", records=plain[name])
            for name, device, data in (
                ("mali_v0.06", "mali-t860", "TVM kernels, v0.06"),
                ("mali_v0.01", "mali-t860", "TVM kernels, v0.01"),
                ("tx2_as_opencl", "jetson-tx2", "TVM kernels"),
            )
            if name in plain
        ),
        *sweep_parts(sweep),
        *(part for device, result in peaks.items() for part in peak_parts(device, result)),
    ]
    runs = [t860, tx2, *peaks.values()]
    tables = {
        "main": main_table(parts),
        "groups": group_table([t860, tx2]),
        "bounds": bound_table([t860, tx2]),
        "peaks": peak_table(peaks),
        "sweep": sweep_table(sweep),
        "figures": figure_table(runs),
        **calibrated,
    }
    rewrite(options.page, tables)
    write_floor(
        ROOT / "tests" / "validation" / "accuracy_floor.yaml",
        {"mali_v0.06": t860, "tx2_as_opencl": tx2},
    )


def is_used(row: MeasuredRow, board: str) -> bool:
    """Return whether a clpeak row is judged: right board, a kernel, not in the slow mode.

    Launch latency is an input of the models, transfers are no kernels.
    """
    if row.device != board or "transfer" in row.kernel or "latency" in row.kernel:
        return False
    if "T628" not in board or "_compute" not in row.kernel or row.value is None:
        return True
    n_cores = int(row.params["cu"])
    return row.value / (n_cores * T628_CLOCK_GHZ) > SLOW_MODE_FLOP_PER_CYCLE


def sweep_parts(sweep: Validation) -> list[Part]:
    """Split the hand-written kernels into the work-group sweep, the reshapes and the copies."""
    chosen = (
        ("GEMM 1024, local size swept", "gemm"),
        ("reshapes of its inputs", "mat_"),
        ("copy by vector width", "global_bandwidth"),
    )
    return [
        Part(
            device="mali-t860",
            data=data,
            records=[row for row in sweep.records if row.template.startswith(prefix)],
        )
        for data, prefix in chosen
    ]


def peak_parts(device: str, result: Validation) -> list[Part]:
    """Split clpeak rows into arithmetic and read bandwidth."""
    chosen = (("clpeak arithmetic", "_compute"), ("clpeak read bandwidth", "bandwidth"))
    return [
        Part(
            device=device,
            data=data,
            records=[row for row in result.records if row.template.endswith(suffix)],
        )
        for data, suffix in chosen
    ]


def main_table(parts: Iterable[Part]) -> list[str]:
    """One line per device and source, beside the crude roofline."""
    lines = [
        "| device | data | N | coverage | MAPE | median | p90 | tau | roofline: MAPE | tau |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for part in parts:
        ours, crude = summarise(part.records), summarise(part.records, roofline=True)
        cells = [part.device, part.data, str(ours.n_tried), share(ours.n / ours.n_tried)]
        cells += [share(ours.mape), share(ours.median_ape), share(ours.p90_ape)]
        cells += [number(ours.kendall_tau), share(crude.mape), number(crude.kendall_tau)]
        lines.append(line(cells))
    return lines


def fold_table(calibrations: dict[str, CalibrationRecord]) -> list[str]:
    """Errors on records that a fit has not seen, beside the baselines on the same folds."""
    lines = [
        "| device | data | predicted by | N | MAPE | median | p90 | tau | folds: MAPE |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for device, record in calibrations.items():
        for name, errors in record.accuracy.items():
            file, _, how = name.rpartition(": ")
            if errors.get("mape") is None:
                continue
            spread = "-"
            if "fold_mape_min" in errors:
                spread = f"{share(errors['fold_mape_min'])} to {share(errors['fold_mape_max'])}"
            cells = [device, f"`{file}`", how, f"{errors['n']:.0f} of {errors['n_tried']:.0f}"]
            cells += [share(errors["mape"]), share(errors["median_ape"]), share(errors["p90_ape"])]
            lines.append(line([*cells, number(errors.get("kendall_tau")), spread]))
    return lines


def fitted_table(calibrations: dict[str, CalibrationRecord]) -> list[str]:
    """List what was fitted, from where to where, and what each figure is worth."""
    lines = [
        "| device | figure | before | after | +- | worth, MAPE |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for device, record in calibrations.items():
        for position, one in enumerate(record.parameters):
            spread = share(record.covariance[position][position] ** 0.5)
            cells = [device, f"`{one.name}`", f"{one.before:.6g}", f"{one.after:.6g}", spread]
            lines.append(line([*cells, signed(one.ablation)]))
        for one_session in record.sessions:
            days = (
                f"launches of {one_session.first} to {one_session.last} ({one_session.n} records)"
            )
            lines.append(line([device, days, "0 us", f"{one_session.launch_us} us", "-", "-"]))
    return lines


def group_table(results: Iterable[Validation]) -> list[str]:
    """Errors by template and dtype."""
    lines = [
        "| device | template | dtype | N | MAPE | median | p90 | bias | tau |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for result in results:
        for template, dtype, errors in result.groups():
            cells = [result.device, f"`{template}`", dtype, str(errors.n)]
            cells += [share(errors.mape), share(errors.median_ape), share(errors.p90_ape)]
            cells += [signed(errors.bias), number(errors.kendall_tau)]
            lines.append(line(cells))
    return lines


def bound_table(results: Iterable[Validation]) -> list[str]:
    """Errors by the bound that the simulator holds responsible."""
    lines = ["| device | bound | N | MAPE | bias |", "|---|---|--:|--:|--:|"]
    for result in results:
        for bound in sorted({row.bound for row in result.records}):
            errors = summarise([row for row in result.records if row.bound == bound])
            cells = [result.device, bound or "(none)", str(errors.n)]
            lines.append(line([*cells, share(errors.mape), signed(errors.bias)]))
    return lines


def peak_table(peaks: dict[str, Validation]) -> list[str]:
    """Every clpeak row: measured and simulated rate."""
    lines = ["| device | test | measured | simulated | error |", "|---|---|--:|--:|--:|"]
    for device, result in peaks.items():
        for row in result.records:
            simulated = row.details.get("simulated")
            kernel = str(row.details["kernel"]).removeprefix("clpeak/")
            measured = row.details["measured"]
            cells = [device, kernel, f"{measured:.4g} {row.details['unit']}"]
            if simulated is None:
                cells += ["failed", row.outcome.reason]
            else:
                cells += [f"{simulated:.4g}", signed(simulated / measured - 1)]
            lines.append(line(cells))
    return lines


def sweep_table(sweep: Validation) -> list[str]:
    """Compare the work-group sweep (mean of its sessions) and the decision it leads to."""
    found: dict[str, list[Judged]] = {}
    for row in sweep.records:
        if row.template.startswith("gemm") and row.outcome.simulated_ms is not None:
            found.setdefault(str(row.details["local"]), []).append(row)
    measured = {
        local: sum(row.measured_ms or 0 for row in rows) / len(rows)
        for local, rows in found.items()
    }
    simulated = {local: rows[0].outcome.simulated_ms or 0 for local, rows in found.items()}
    lines = ["| local size | measured ms | simulated ms | error |", "|---|--:|--:|--:|"]
    for local in sorted(measured, key=measured.__getitem__):
        cells = [local, f"{measured[local]:.1f}", f"{simulated[local]:.1f}"]
        lines.append(line([*cells, signed(simulated[local] / measured[local] - 1)]))
    best = min(simulated, key=simulated.__getitem__)
    regret = measured[best] / min(measured.values()) - 1
    pairs = [
        (measured[a] - measured[b]) * (simulated[a] - simulated[b]) > 0
        for a in measured
        for b in measured
        if measured[a] > measured[b] * 1.05
    ]
    in_order = share(sum(pairs) / len(pairs))
    spreads = [max(times.values()) / min(times.values()) for times in (measured, simulated)]
    lines.append("")
    lines.append(
        f"Following the simulator's best local size ({best}) loses {share(regret)}; of "
        f"{len(pairs)} pairs that differ by more than 5 %, {in_order} are in the right order. "
        f"Measured spread {spreads[0]:.1f}x, simulated {spreads[1]:.1f}x."
    )
    return lines


def figure_table(results: Iterable[Validation]) -> list[str]:
    """How many figures of each kind, and which are assumed or fitted."""
    lines = ["| device | documented | measured | reverse-engineered | fitted | assumed |"]
    lines.append("|---|--:|--:|--:|--:|--:|")
    weak: dict[str, set[str]] = {}
    seen: dict[str, dict[str, int]] = {}
    for result in results:
        kinds = seen.setdefault(result.device, {})
        for kind, count in result.as_json()["evidence"].items():
            kinds[kind] = max(kinds.get(kind, 0), count)
        for row in result.records:
            weak.setdefault(result.device, set()).update(row.outcome.weak_figures)
    names = ("documented", "measured", "reverse-engineered", "fitted", "assumed")
    for device, kinds in seen.items():
        lines.append(line([device, *(str(kinds.get(name, 0)) for name in names)]))
    for device, paths in weak.items():
        lines += ["", f"Assumed or fitted on {device}: " + ", ".join(sorted(paths)) + "."]
    return lines


def write_floor(path: Path, results: dict[str, Validation]) -> None:
    """Store the errors of every sixth record, which the tests hold the simulator to."""
    lines = ["# Written by analysis/accuracy.py: errors of every sixth record of a measured file."]
    for name, result in results.items():
        errors = summarise(result.records[::FLOOR_EVERY])
        lines.append(f"{name}:")
        lines.append(f"  device: {result.device}")
        lines.append(f"  every: {FLOOR_EVERY}")
        lines.append(f"  n: {errors.n_tried}")
        lines.append(f"  mape: {errors.mape:.4f}")
        lines.append(f"  kendall_tau: {errors.kendall_tau:.4f}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def rewrite(page: Path, tables: dict[str, list[str]]) -> None:
    """Replace what is between the markers of each table."""
    text = page.read_text(encoding="utf-8")
    for name, lines in tables.items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        block = "\n".join([begin, *lines, end])
        text, n_found = pattern.subn(lambda _, block=block: block, text)
        if n_found != 1:
            raise SystemExit(f"{page}: expected the markers of '{name}' once, found {n_found}")
    page.write_text(text, encoding="utf-8")


def line(cells: Sequence[str]) -> str:
    """Return one line of a Markdown table."""
    return "| " + " | ".join(cells) + " |"


def share(value: float | None) -> str:
    """Return a fraction in percent."""
    return "-" if value is None else f"{value * 100:.1f} %"


def signed(value: float | None) -> str:
    """Return a fraction in percent with its sign."""
    return "-" if value is None else f"{value * 100:+.1f} %"


def number(value: float | None) -> str:
    """Return a rank correlation."""
    return "-" if value is None else f"{value:.3f}"


if __name__ == "__main__":
    main()
