"""Configurations of TVM's schedule templates: read from an AutoTVM log, or the fallback rule.

A template's knobs are splits of an axis into factors, an order of loops, annotations of loops
(``none``, ``unroll``, ``vec``) and plain numbers. For a workload that nobody tuned, TVM 0.6 takes
the tuned configuration whose axes share most factors with the new ones and mimics its tiling
(`mimic`); without any log every factor but the outermost is 1.

Source: python/tvm/autotvm/task/space.py and topi/python/topi/mali of TVM 0.6, read.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from gpusim.errors import GpusimError, located


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """Values of a template's knobs."""

    splits: Mapping[str, tuple[int, ...]]
    """Knob -> factors, outermost first."""
    annotations: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    order: tuple[int, ...] = ()
    """Permutation of the convolution's loops; () = as declared."""
    knobs: Mapping[str, int] = field(default_factory=dict)
    tuned: bool = True
    """False for the fallback; it packs its weights at every run, because only tuned layers have
    them packed at compile time."""

    def product(self, knob: str) -> int:
        """Return the length of the axis that a knob splits."""
        result = 1
        for factor in self.splits[knob]:
            result *= factor
        return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuned:
    """One line of an AutoTVM log."""

    template: str
    """``conv2d_nchw_spatial_pack.mali``, ``conv2d_nchw_winograd.mali``,
    ``depthwise_conv2d_nchw.mali`` or ``dense.mali``."""
    workload: tuple[Any, ...]
    """Shapes and options as logged, made comparable."""
    config: Config
    seconds: float


def parse_config(text: Mapping[str, Any], where: str) -> Config:
    """Return the configuration of a log line's ``config`` object.

    Parameters
    ----------
    text : mapping
        With the key ``entity``: a list of ``[knob, kind, value]``; kinds are ``sp`` (split),
        ``re`` (order), ``an`` (annotations) and ``ot`` (a number).
    where : str
        For messages.

    Raises
    ------
    GpusimError
        When it is none.
    """
    splits: dict[str, tuple[int, ...]] = {}
    annotations: dict[str, tuple[str, ...]] = {}
    order: tuple[int, ...] = ()
    knobs: dict[str, int] = {}
    try:
        for name, kind, value in text["entity"]:
            if kind == "sp":
                splits[str(name)] = tuple(int(factor) for factor in value)
            elif kind == "an":
                annotations[str(name)] = tuple(str(word) for word in value)
            elif kind == "re":
                order = tuple(int(position) for position in value)
            elif kind == "ot":
                knobs[str(name)] = int(value)
            else:
                raise ValueError(f"knob of kind {kind}")
    except (KeyError, TypeError, ValueError) as error:
        raise GpusimError(
            located(where, "not a configuration of AutoTVM", expected="entity", found=str(error))
        ) from None
    if any(factor < 1 for factors in splits.values() for factor in factors):
        raise GpusimError(located(where, "split", expected="factors of 1 or more"))
    return Config(splits=splits, annotations=annotations, order=order, knobs=knobs)


def frozen(value: Any) -> Any:
    """Return a nested list of JSON as tuples, so that it can be compared and hashed."""
    return tuple(frozen(item) for item in value) if isinstance(value, list) else value


def load_log(path: str | Path) -> tuple[Tuned, ...]:
    """Return the tuned configurations of an AutoTVM log, one JSON object a line.

    Reads plain or gzip files, and lines that keep the log entry under ``record``. Failed
    measurements are passed over, as TVM does.

    Raises
    ------
    GpusimError
        When the file can't be read or a line is no log entry.
    """
    path = Path(path)
    try:
        stat = path.stat()
    except OSError as error:
        raise GpusimError(located(str(path), "can't read", found=error.strerror)) from None
    return _load_log(path, stat.st_mtime_ns, stat.st_size)


@cache
def _load_log(path: Path, _mtime_ns: int, _size: int) -> tuple[Tuned, ...]:
    opener = gzip.open if path.suffix == ".gz" else open
    found = []
    try:
        with opener(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    found.append(_parse_line(line, f"{path.name}:{number}"))
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise GpusimError(located(str(path), "can't read", found=str(error))) from None
    return tuple(entry for entry in found if entry is not None)


def _parse_line(line: str, where: str) -> Tuned | None:
    try:
        entry = json.loads(line)
        entry = entry.get("record", entry)
        template, workload = entry["input"][1], frozen(entry["input"][2])
        costs, failed = entry["result"][0], entry["result"][1]
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        raise GpusimError(
            located(where, "not an entry of an AutoTVM log", expected="input, config, result")
        ) from None
    if failed or not costs:
        return None
    config = parse_config(entry.get("config", {}), where)
    seconds = sum(costs) / len(costs)
    return Tuned(template=str(template), workload=workload, config=config, seconds=seconds)


def factors_of(number: int) -> tuple[int, ...]:
    """Return all divisors, ascending."""
    small = [step for step in range(1, int(number**0.5) + 1) if number % step == 0]
    return tuple(sorted({*small, *(number // step for step in small)}))


def split_within(extent: int, limits: Sequence[int]) -> tuple[int, ...]:
    """Split an axis into factors, innermost first, each the largest divisor within its limit.

    Parameters
    ----------
    extent : int
        Length of the axis.
    limits : sequence of int
        Outermost first; -1 = no limit.
    """
    sizes = [1] * len(limits)
    left = extent
    for position in reversed(range(len(limits))):
        limit = limits[position]
        sizes[position] = max(
            factor for factor in factors_of(left) if limit == -1 or factor <= limit
        )
        left //= sizes[position]
    return tuple(sizes)


def mimic(axes: Mapping[str, tuple[int, int]], reference: Sequence[Config]) -> Config:
    """Return TVM's fallback configuration for axes that nobody tuned.

    The reference whose axes share the largest part of the new axes' divisors wins, the first of
    equals; its factors become upper limits, its other knobs are taken over. The score is summed
    axis by axis and a reference can already win on the first axes alone.

    Parameters
    ----------
    axes : mapping
        Knob -> (length of the axis, number of factors), in the order of the template.
    reference : sequence of Config
        Tuned configurations of the same template, in the order of the log.
    """
    divisors = {knob: set(factors_of(extent)) for knob, (extent, _) in axes.items()}
    best: Config | None = None
    best_score = 0.0
    for candidate in reference:
        score = 0.0
        for knob in axes:
            shared = divisors[knob].intersection(factors_of(candidate.product(knob)))
            score += len(shared) / len(divisors[knob])
            if score > best_score:
                best_score, best = score, candidate
    if best is None:
        ones = {knob: (extent, *(1,) * (n - 1)) for knob, (extent, n) in axes.items()}
        return Config(splits=ones, tuned=False)
    splits = {
        knob: split_within(extent, (-1, *best.splits[knob][1:]))
        for knob, (extent, _) in axes.items()
    }
    return Config(
        splits=splits,
        annotations=best.annotations,
        order=best.order,
        knobs=best.knobs,
        tuned=False,
    )
