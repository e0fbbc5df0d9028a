"""Write a first model of a board that nobody has described yet, every figure assumed."""

from __future__ import annotations

import json
import math
from typing import Any

from gpusim.device.clinfo import ClinfoDevice, parse_clinfo
from gpusim.device.figure import canonical_unit
from gpusim.device.loader import load_device, parse_device
from gpusim.device.relatives import FAMILIES_KNOWN, Relative, nearest_relative, suggested_id
from gpusim.device.schema import FIGURES
from gpusim.device.spec import SECTIONS, DeviceSpec
from gpusim.errors import DeviceError, located
from gpusim.units import cycles_to_ps

_SLOWEST_MHZ = 50
"""Drivers that do not know the clock report 0 or 1."""
_SLICE_BYTES = 256 * 1024
_BUS_BYTES_PER_SLICE = 16
_MISSES_PER_CORE = 16


class _Draft:
    """Figures of the new model: the relative's, until something better is known."""

    def __init__(self, relative: DeviceSpec) -> None:
        self.nodes: dict[str, dict[str, Any]] = {}
        for path, quantity in relative.figures().items():
            self.nodes[path] = {
                "value": quantity.given,
                "unit": quantity.unit,
                "source": "relative",
                "kind": "assumed",
                "note": f"{quantity.kind.value} for {relative.id}",
            }
        self.values = {path: quantity.value for path, quantity in relative.figures().items()}

    def set(self, path: str, value: Any, source: str, note: str) -> None:
        """State a figure in its canonical unit."""
        section, name = path.split(".")
        self.values[path] = value
        self.nodes[path] = {
            "value": value,
            "unit": canonical_unit(FIGURES[section][name].dimension),
            "source": source,
            "kind": "assumed",
            "note": note,
        }


def new_model(
    clinfo: str,
    where: str,
    *,
    clock_mhz: float | None = None,
    dram_gb_per_s: float | None = None,
    device_id: str | None = None,
) -> tuple[str, str]:
    """Draft a model from the output of clinfo.

    Parameters
    ----------
    clinfo : str
        What ``clinfo`` (or ``clinfo --raw``) printed on the board.
    where : str
        Name of the file it is from, for messages.
    clock_mhz, dram_gb_per_s : float, optional
        Clock and DRAM peak where clinfo does not know them or is wrong.
    device_id : str, optional
        Id of the new model; made from the device's name by default.

    Returns
    -------
    tuple of str
        Id, and the YAML text, known to load. Figures come from clinfo where it states them,
        from what is known of the product, and else from the nearest relative; all are of kind
        ``assumed``.

    Raises
    ------
    DeviceError
        If no device of a known family is in the listing, or what was given is impossible.
    """
    device, relative = _recognise(parse_clinfo(clinfo, where), where)
    base = load_device(relative.device)
    draft = _Draft(base)
    for path, value in relative.differs.items():
        draft.set(path, value, "product", "known for this product")
    _from_clinfo(draft, device)
    _given(draft, "core.clock_khz", clock_mhz, 1000)
    _given(draft, "dram.peak_bytes_per_s", dram_gb_per_s, 10**9)
    _match_l2(draft, base)
    _match_launch(draft)
    name = device_id or suggested_id(device)
    sources = {
        "clinfo": "Output of clinfo on the board",
        "relative": f"Taken from the model {base.id}, the nearest relative that ships",
        "product": relative.citation,
        "user": "Given when the model was made",
        "derived": "Arithmetic on other figures; the note says which",
    }
    model = _yaml(name, device, base, draft, sources)
    parse_device(model, f"{name}.yaml")
    return name, model


def _given(draft: _Draft, path: str, value: float | None, factor: int) -> None:
    if value is None:
        return
    if not math.isfinite(value * factor) or value <= 0:
        raise DeviceError(located(path, "impossible value", expected="above 0", found=value))
    draft.set(path, round(value * factor), "user", "given")


def _recognise(devices: list[ClinfoDevice], where: str) -> tuple[ClinfoDevice, Relative]:
    for device in devices:
        relative = nearest_relative(device)
        if relative is not None:
            return device, relative
    names = ", ".join(device.text("CL_DEVICE_NAME") for device in devices[:4])
    raise DeviceError(
        located(where, "no device of a known family", expected=FAMILIES_KNOWN, found=names)
    )


def _from_clinfo(draft: _Draft, device: ClinfoDevice) -> None:
    direct = {
        "core.n_shader_cores": "CL_DEVICE_MAX_COMPUTE_UNITS",
        "limits.global_memory_bytes": "CL_DEVICE_GLOBAL_MEM_SIZE",
        "limits.max_allocation_bytes": "CL_DEVICE_MAX_MEM_ALLOC_SIZE",
        "limits.max_work_group_size": "CL_DEVICE_MAX_WORK_GROUP_SIZE",
    }
    for path, name in direct.items():
        if device.number(name):
            draft.set(path, device.number(name), "clinfo", name)
    mhz = device.number("CL_DEVICE_MAX_CLOCK_FREQUENCY")
    if mhz >= _SLOWEST_MHZ:
        draft.set("core.clock_khz", mhz * 1000, "clinfo", "CL_DEVICE_MAX_CLOCK_FREQUENCY")
    size = device.number("CL_DEVICE_GLOBAL_MEM_CACHE_SIZE")
    if size:
        draft.set("l2.size_bytes", size, "clinfo", "CL_DEVICE_GLOBAL_MEM_CACHE_SIZE")
    local = device.number("CL_DEVICE_LOCAL_MEM_SIZE")
    on_chip = draft.values["core.local_memory_bytes"] > 0
    if local and on_chip and device.text("CL_DEVICE_LOCAL_MEM_TYPE").endswith("Local"):
        draft.set("core.local_memory_bytes", local, "clinfo", "CL_DEVICE_LOCAL_MEM_SIZE")
    table = draft.values["core.max_threads"]
    largest = draft.values["limits.max_work_group_size"]
    if largest > max(table.values()):
        # The driver promises groups that the relative's core could not hold.
        few_registers = {min(table): largest}
        note = "raised so that the largest work-group fits"
        draft.set("core.max_threads", {**table, **few_registers}, "derived", note)


def _match_l2(draft: _Draft, base: DeviceSpec) -> None:
    """Choose slices, bus and misses in flight that go with the size of L2 and the cores."""
    size = draft.values["l2.size_bytes"]
    way_bytes = draft.values["l2.line_bytes"] * draft.values["l2.ways"]
    if size % way_bytes:
        note = "the size that clinfo states is no multiple of lines and ways"
        draft.set("l2.size_bytes", base.l2.size_bytes.value, "relative", note)
        return
    if base.family not in ("midgard", "bifrost", "valhall"):
        n_slices = draft.values["l2.n_slices"]
        if size % (way_bytes * n_slices):
            draft.set("l2.n_slices", 1, "derived", "slices that divide the size")
        return
    most = max(1, size // _SLICE_BYTES)
    n_slices = next(n for n in range(most, 0, -1) if size % (way_bytes * n) == 0)
    draft.set("l2.n_slices", n_slices, "derived", "slices of 256 KiB")
    bus = _BUS_BYTES_PER_SLICE * n_slices
    draft.set("dram.bus_bytes_per_cycle", bus, "derived", "16 B a slice")
    misses = max(
        base.l2.outstanding_misses.value, _MISSES_PER_CORE * draft.values["core.n_shader_cores"]
    )
    draft.set("l2.outstanding_misses", misses, "derived", "16 a core, at least the relative's")


def _match_launch(draft: _Draft) -> None:
    """Keep the launch latency the sum of its parts when the clock differs."""
    values = draft.values
    n_accesses = values["host.mmio_writes_per_submit"] + values["host.mmio_reads_per_submit"]
    flush = cycles_to_ps(values["job_manager.cache_flush_fixed_cycles"], values["core.clock_khz"])
    rest = (
        values["host.launch_latency_ps"]
        - values["host.enqueue_ps"]
        - n_accesses * values["host.mmio_access_ps"]
        - values["job_manager.descriptor_fetch_ps"]
        - flush
    )
    draft.set("host.submit_ps", max(0, rest), "derived", "rest of launch_latency_ps")


def _yaml(
    name: str, device: ClinfoDevice, base: DeviceSpec, draft: _Draft, sources: dict[str, str]
) -> str:
    """Return the model as YAML text, one figure a line."""
    title = device.text("CL_DEVICE_NAME")
    lines = [
        "# Drafted by `gpusim device new`; every figure is assumed until somebody checks it.",
        f"id: {_quoted(name)}",
        f"name: {_quoted(title)}",
        f"board: {_quoted(title + ', drafted from clinfo')}",
        f"family: {base.family}",
        f"isa: {base.isa}",
    ]
    for section in SECTIONS:
        lines.append(f"{section}:")
        for figure in FIGURES[section]:
            node = draft.nodes[f"{section}.{figure}"]
            lines.append(
                f"  {figure}: {{value: {_value(node['value'])}, unit: {node['unit']}, "
                f"source: {node['source']}, kind: {node['kind']}, note: {_quoted(node['note'])}}}"
            )
    used = {node["source"] for node in draft.nodes.values()}
    lines.append("sources:")
    lines += [f"  {key}: {_quoted(text)}" for key, text in sources.items() if key in used]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {number}" for key, number in value.items()) + "}"
    return str(value)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
