"""CPU models: clusters of cores, memory and threading costs, every figure with its evidence.

A CPU is no OpenCL device here: nothing is lowered to it. `gpusim.timing.cpu` takes the loops of a
layer and these figures to a time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gpusim.device.figure import did_you_mean, read_figure, reject_unknown_keys
from gpusim.device.layer import parse_mapping, read_text
from gpusim.device.quantity import Kind, Quantity
from gpusim.device.schema import Figure
from gpusim.device.strict_yaml import shown
from gpusim.errors import DeviceError, located
from gpusim.resources import device_models_dir

_KHZ_MAX = 10_000_000
_COUNT = Figure(dimension="count", low=1, high=4096)
_RATE = Figure(dimension="per_cycle", low=1e-3, high=64, whole=False)
_CYCLES = Figure(dimension="cycles", low=0, high=10_000, whole=False)
_SIZE = Figure(dimension="size", low=64, high=1 << 36)
_BANDWIDTH = Figure(dimension="bandwidth", low=10**6, high=10**13)
_TIME = Figure(dimension="time", low=0, high=10**12)

_CLUSTER = {
    "n_cores": _COUNT,
    "clock_khz": Figure(dimension="frequency", low=1000, high=_KHZ_MAX),
    "issue_per_cycle": _RATE,
    "loads_per_cycle": _RATE,
    "vector_lanes": _COUNT,
    "vector_fma_per_cycle": _RATE,
    "scalar_fma_per_cycle": _RATE,
    "compiled_lanes": _COUNT,
    "accumulate_cycles": _CYCLES,
    "reorder_instructions": _COUNT,
    "mispredict_cycles": _CYCLES,
    "l1_bytes": _SIZE,
    "l2_bytes": _SIZE,
    "l2_bytes_per_cycle": Figure(dimension="bytes_per_cycle", low=1e-3, high=1024, whole=False),
    "stream_bytes_per_s": _BANDWIDTH,
}
_MEMORY = {"last_level_bytes": _SIZE, "dram_bytes_per_s": _BANDWIDTH, "pointer_bytes": _COUNT}
_THREADS = {"fork_join_ps": _TIME, "per_thread_ps": _TIME, "chunk_ps": _TIME}
_KEYS = ("id", "name", "board", "sources", "clusters", "memory", "threads")
_UNVERIFIED = {"recalled", "derived", "start_value"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSpec:
    """Equal cores that share a second-level cache."""

    name: str
    n_cores: Quantity
    clock_khz: Quantity
    issue_per_cycle: Quantity
    """Instructions that a core can start per cycle."""
    loads_per_cycle: Quantity
    vector_lanes: Quantity
    """32-bit lanes of a vector register."""
    vector_fma_per_cycle: Quantity
    """Full-width multiply-adds per cycle; a multiply and an addition count as one."""
    scalar_fma_per_cycle: Quantity
    compiled_lanes: Quantity
    """Lanes that a compiler uses for float loops without relaxed arithmetic: 1 on ARMv7, whose
    vector unit flushes denormals and is therefore left alone."""
    accumulate_cycles: Quantity
    """From one multiply-add to the next that adds to the same register."""
    reorder_instructions: Quantity
    """Instructions in flight; 1 on an in-order core."""
    mispredict_cycles: Quantity
    l1_bytes: Quantity
    l2_bytes: Quantity
    """Of the cluster, or of one core where each has its own."""
    l2_bytes_per_cycle: Quantity
    """To one core."""
    stream_bytes_per_s: Quantity
    """What one core alone reads from DRAM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySpec:
    """Behind the clusters."""

    last_level_bytes: Quantity
    dram_bytes_per_s: Quantity
    """What all cores together read."""
    pointer_bytes: Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class ThreadsSpec:
    """Costs of a parallel loop of an OpenMP runtime."""

    fork_join_ps: Quantity
    """Start and final barrier with two threads."""
    per_thread_ps: Quantity
    """More for each further thread."""
    chunk_ps: Quantity
    """A thread takes the next chunk of a dynamic schedule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuSpec:
    """A CPU model, loaded and checked."""

    id: str
    name: str
    board: str
    clusters: tuple[ClusterSpec, ...]
    """In the order in which threads are placed: fastest first."""
    memory: MemorySpec
    threads: ThreadsSpec
    sources: dict[str, str]
    file: str

    @property
    def n_cores(self) -> int:
        """Cores of all clusters."""
        return sum(int(cluster.n_cores.value) for cluster in self.clusters)

    def peak_flops(self) -> int:
        """Return the fp32 peak of all cores, operations per second."""
        return sum(
            int(
                2
                * cluster.n_cores.value
                * cluster.clock_khz.value
                * 1000
                * cluster.vector_lanes.value
                * cluster.vector_fma_per_cycle.value
            )
            for cluster in self.clusters
        )

    def figures(self) -> dict[str, Quantity]:
        """Return every figure by path (``clusters.big.clock_khz``)."""
        rows: dict[str, Quantity] = {}
        for cluster in self.clusters:
            rows |= {f"clusters.{cluster.name}.{name}": getattr(cluster, name) for name in _CLUSTER}
        rows |= {f"memory.{name}": getattr(self.memory, name) for name in _MEMORY}
        rows |= {f"threads.{name}": getattr(self.threads, name) for name in _THREADS}
        return rows


def list_cpus() -> list[str]:
    """Return the ids of the CPU models that ship, sorted."""
    return sorted(path.stem for path in (device_models_dir() / "cpu").glob("*.yaml"))


def load_cpu(cpu: str) -> CpuSpec:
    """Load a CPU model that ships.

    Raises
    ------
    DeviceError
        For an unknown id or a malformed model: one line with file, place, expected and found.
    """
    known = list_cpus()
    if cpu not in known:
        raise DeviceError(
            f"unknown CPU {shown(cpu)}{did_you_mean(cpu, known)} (known: {', '.join(known)})"
        )
    file = f"cpu/{cpu}.yaml"
    return parse_cpu(read_text(device_models_dir() / file, file), file)


def parse_cpu(text: str, file: str) -> CpuSpec:
    """Check the text of a CPU model.

    Parameters
    ----------
    text : str
        YAML.
    file : str
        Name for messages and provenance.

    Raises
    ------
    DeviceError
        If anything is missing, unknown or impossible.
    """
    document = parse_mapping(text, file, _KEYS)
    for key in _KEYS:
        if key not in document:
            raise DeviceError(located(file, f"missing {key!r}", expected=", ".join(_KEYS)))
    sources = document["sources"]
    clusters = document["clusters"]
    for key, node in (("sources", sources), ("clusters", clusters)):
        if not isinstance(node, dict) or not node:
            raise DeviceError(located(f"{file}: {key}", "not a mapping", found=shown(node)))
    spec = CpuSpec(
        id=_word(document, "id", file),
        name=_word(document, "name", file),
        board=_word(document, "board", file),
        clusters=tuple(
            ClusterSpec(name=str(name), **_section(node, f"clusters.{name}", _CLUSTER, file))
            for name, node in clusters.items()
        ),
        memory=MemorySpec(**_section(document["memory"], "memory", _MEMORY, file)),
        threads=ThreadsSpec(**_section(document["threads"], "threads", _THREADS, file)),
        sources={str(key): " ".join(str(value).split()) for key, value in sources.items()},
        file=file,
    )
    _check(spec)
    return spec


def _word(document: dict[Any, Any], key: str, file: str) -> str:
    value = document[key]
    if not isinstance(value, str) or not value:
        raise DeviceError(located(f"{file}: {key}", "not text", found=shown(value)))
    return value


def _section(node: Any, path: str, rules: dict[str, Figure], file: str) -> dict[str, Quantity]:
    where = f"{file}: {path}"
    if not isinstance(node, dict):
        raise DeviceError(located(where, "not a section", expected="figures", found=shown(node)))
    reject_unknown_keys(node, rules, where)
    for name in rules:
        if name not in node:
            raise DeviceError(located(where, f"missing {name!r}", expected=", ".join(rules)))
    return {
        name: read_figure(node[name], f"{path}.{name}", rule, file) for name, rule in rules.items()
    }


def _check(spec: CpuSpec) -> None:
    for path, quantity in spec.figures().items():
        where = f"{spec.file}: {path}"
        for key in quantity.source:
            if key not in spec.sources:
                raise DeviceError(
                    located(where, "source not cited", expected="a key of 'sources'", found=key)
                )
        if set(quantity.source) <= _UNVERIFIED and quantity.kind is not Kind.ASSUMED:
            raise DeviceError(
                located(where, "no document behind it", expected="assumed", found=quantity.kind)
            )
    for cluster in spec.clusters:
        if cluster.compiled_lanes.value > cluster.vector_lanes.value:
            raise DeviceError(
                located(
                    f"{spec.file}: clusters.{cluster.name}.compiled_lanes",
                    "more than the register has",
                    expected=f"at most {cluster.vector_lanes.value}",
                    found=cluster.compiled_lanes.value,
                )
            )
