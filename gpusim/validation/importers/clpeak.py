"""Results of clpeak: its text, and the XML, JSON and CSV files of its versions.

| form | version | what it looks like |
|---|---|---|
| text | 1.x | ``Global memory bandwidth (GBPS)``, then ``float4  : 6.85`` |
| text | 2.x and 3.x | ``Global memory bandwidth``, then ``float4 : 420 GB/s`` |
| XML | 1.x | ``<device name=..><global_memory_bandwidth unit="gbps"><float4>`` |
| XML, JSON, CSV | 2.x | a list of (device, test, metric, unit, value) |
| JSON | 3.x | devices, their tests, their metrics, in units without prefix |

Names become those of the 1.x text (``clpeak/single-precision_compute/float4``), which the registry
knows. Tests of other interfaces than OpenCL are named after them (``clpeak-vulkan/...``).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree as ET

from gpusim.errors import TraceError, located
from gpusim.validation.importers.reading import Rows, positive, read_table, row
from gpusim.validation.measured_rows import MeasuredRow

CSV_HEADER = re.compile(r'"?format_version"?,"?backend"?,"?platform"?,"?device"?')
TEXT_START = re.compile(r"^(Platform: |Backend: |\s*Device(?: \d+)?: )", re.MULTILINE)
_DEVICE = re.compile(r"\s*Device(?: \d+)?: (.+)")
_BACKEND = re.compile(r"Backend: (\S+)")
_METRIC = re.compile(r"\s*(\S.*?)\s*: +([-+.\deE,]+)\s*([A-Za-z/]+)?\s*$")
_SECTION = re.compile(r"\s*([A-Z][^:]*?)(?: \(([A-Za-z/]+)\))?\s*$")
_PROPERTY = re.compile(r"\s*(Driver version|Compute units|Clock frequency)\s*: (.+)")
_TESTS = {
    "single_precision_compute": "single-precision_compute",
    "half_precision_compute": "half-precision_compute",
    "double_precision_compute": "double-precision_compute",
}
_UNITS = {
    "gbps": ("GBPS", 1.0), "gb/s": ("GBPS", 1.0), "tb/s": ("GBPS", 1e3), "b/s": ("GBPS", 1e-9),
    "gflops": ("GFLOPS", 1.0), "tflops": ("GFLOPS", 1e3), "flops": ("GFLOPS", 1e-9),
    "giops": ("GIOPS", 1.0), "gops": ("GIOPS", 1.0), "tops": ("GIOPS", 1e3),
    "tiops": ("GIOPS", 1e3), "ops": ("GIOPS", 1e-9), "iops": ("GIOPS", 1e-9),
    "us": ("us", 1.0), "ms": ("us", 1e3), "ns": ("us", 1e-3), "s": ("us", 1e6),
}  # fmt: skip
"""clpeak's unit in lower case -> the measured schema's, and the factor to it."""


@dataclass(slots=True)
class _Found:
    """Rows so far, and what was left out."""

    name: str
    device: str
    rows: list[MeasuredRow] = field(default_factory=list)
    left_out: int = 0

    def add(
        self,
        *,
        line: int,
        device: str,
        backend: str,
        test: str,
        metric: str,
        value: str,
        unit: str,
        params: dict[str, Any],
    ) -> None:
        """Add one figure; one in a unit that the schema lacks is counted as left out."""
        where = f"{self.name}:{line}: {test} {metric}".rstrip()
        known = _UNITS.get(unit.lower())
        if known is None:
            self.left_out += 1
            return
        prefix = "clpeak" if backend.lower() in ("", "opencl") else f"clpeak-{backend.lower()}"
        test = _TESTS.get(test, test)
        if test == "kernel_launch_latency" and metric == "roundtrip":
            test, metric = "kernel_roundtrip", ""
        if test == "kernel_launch_latency" and metric in ("dispatch", test):
            metric = ""
        self.rows.append(
            row(
                line=line,
                device=self.device or device,
                kernel="/".join(part for part in (prefix, test, metric) if part),
                params=params,
                metric="launch_latency" if known[0] == "us" else "throughput",
                value=positive(value, where) * known[1],
                unit=known[0],
                source=f"clpeak {self.name}",
            )
        )

    def done(self) -> Rows:
        """Return everything found."""
        if not self.rows:
            raise TraceError(located(self.name, "no results", expected="tests of clpeak"))
        note = f"{self.left_out} results in other units than rates and times left out"
        notes = (note,) if self.left_out else ()
        return Rows(rows=tuple(self.rows), notes=notes)


def text_log(text: str, name: str, device: str) -> Rows:
    """Read what clpeak prints."""
    found = _Found(name, device)
    board, backend, test, unit = "", "", "", ""
    params: dict[str, Any] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if match := _BACKEND.match(line):
            backend = match[1]
        elif match := _DEVICE.match(line):
            board, test, params = match[1].strip(), "", {}
        elif match := _PROPERTY.match(line):
            params = {**params, _PROPERTY_KEYS[match[1]]: match[2].strip()}
        elif match := _METRIC.match(line):
            own = _identifier(match[1]) == "kernel_launch_latency"
            if own or test:
                found.add(
                    line=number,
                    device=board,
                    backend=backend,
                    test="kernel_launch_latency" if own else test,
                    metric="" if own else match[1].strip(),
                    value=match[2],
                    unit=match[3] or unit,
                    params=params,
                )
        elif match := _SECTION.match(line):
            test, unit = _identifier(match[1]), match[2] or ""
    return found.done()


_PROPERTY_KEYS = {"Driver version": "driver", "Compute units": "cu", "Clock frequency": "clock"}


def _identifier(title: str) -> str:
    return title.strip().lower().replace(" ", "_")


def xml_file(text: str, name: str, device: str) -> Rows:
    """Read ``clpeak --xml-file`` of 1.x and 2.x."""
    # The parser of the standard library expands entities; results have none.
    if "<!ENTITY" in text or "<!DOCTYPE" in text:
        raise TraceError(located(name, "not clpeak's XML", found="a document type"))
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise TraceError(located(name, "not XML", found=error)) from None
    found = _Found(name, device)
    for platform in root.iter("platform"):
        for board in platform.iter("device"):
            params = {
                key: value for key, value in board.attrib.items() if key not in ("name", "device")
            }
            for test in board:
                _xml_test(found, board.get("name", ""), test, params)
    for run in root.iter("run"):
        for test in run.iter("test"):
            for metric in test.iter("metric"):
                if metric.get("status", "ok") == "ok":
                    found.add(
                        line=0,
                        device=run.get("device", ""),
                        backend=run.get("backend", ""),
                        test=test.get("name", ""),
                        metric=metric.get("name", ""),
                        value=metric.text or "",
                        unit=test.get("unit", ""),
                        params={"driver": run.get("driver", "")},
                    )
    return found.done()


def _xml_test(found: _Found, board: str, test: ET.Element, params: dict[str, Any]) -> None:
    unit = test.get("unit", "")
    metrics = list(test) or [test]
    for metric in metrics:
        found.add(
            line=0,
            device=board,
            backend="",
            test=test.tag,
            metric="" if metric is test else metric.tag,
            value=metric.text or "",
            unit=unit,
            params=params,
        )


def json_file(text: str, name: str, device: str) -> Rows:
    """Read ``clpeak --json-file`` of 2.x and ``-o`` of 3.x."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TraceError(located(name, "not JSON", found=error)) from None
    found = _Found(name, device)
    try:
        version = str(document.get("clpeak_version", ""))
        for one in _json_entries(document):
            found.add(line=0, params={"clpeak_version": version}, **one)
    except (AttributeError, KeyError, TypeError) as error:
        raise TraceError(located(name, "not clpeak's JSON", found=error)) from None
    return found.done()


def _json_entries(document: dict[str, Any]) -> Iterator[dict[str, str]]:
    for entry in document.get("entries", []):
        if "value" in entry:
            keys = ("backend", "device", "test", "metric", "unit", "value")
            yield {key: str(entry[key]) for key in keys}
    for board in document.get("devices", []):
        for test in board.get("tests", []):
            for metric in test["metrics"]:
                if "value" in metric:
                    yield {
                        "backend": str(board["backend"]),
                        "device": str(board["name"]),
                        "test": str(test["id"]),
                        "metric": str(metric["id"]),
                        "unit": str(test["unit"]),
                        "value": str(metric["value"]),
                    }


def csv_file(text: str, name: str, device: str) -> Rows:
    """Read ``clpeak --csv-file`` of 2.x."""
    found = _Found(name, device)
    for line, cells in read_table(text, CSV_HEADER, name):
        try:
            if cells["status"] == "ok":
                keys = ("backend", "device", "test", "metric", "unit", "value")
                found.add(
                    line=line,
                    params={"driver": cells.get("driver", "")},
                    **{key: cells[key] for key in keys},
                )
        except KeyError as error:
            raise TraceError(located(f"{name}:{line}", f"no column {error}")) from None
    return found.done()
