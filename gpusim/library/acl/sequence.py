"""The launches of a plan as the library makes them: names, sizes, the clamp on local sizes."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field, replace

from gpusim.library.acl.binding import Binding, Tensor
from gpusim.library.acl.target import Target
from gpusim.library.plan import Phase, PlanOptions
from gpusim.trace.records import Size3


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One enqueue: what is seen of it in a capture, and how our kernel is called."""

    phase: Phase
    kernel: str
    global_size: Size3
    local_size: Size3 | None
    binding: Binding


@dataclass(slots=True, kw_only=True)
class Sequence:
    """Collect the enqueues of one layer on one GPU, in order."""

    target: Target
    options: PlanOptions
    steps: list[Step] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    """Every tensor that a step names."""

    @property
    def ordered(self) -> list[Step]:
        """The enqueues as they happen: what is done once per layer comes first."""
        return sorted(self.steps, key=lambda step: step.phase is Phase.RUN)

    @property
    def is_static(self) -> bool:
        """Whether the library's static tuner is active."""
        return self.options.tuner == "static"

    @property
    def is_nhwc(self) -> bool:
        """Whether channels are innermost."""
        return self.options.layout == "nhwc"

    @property
    def is_half(self) -> bool:
        """Whether elements are 16-bit floats."""
        return self.options.dtype == "f16"

    @property
    def element_bytes(self) -> int:
        """Size of an element."""
        return 2 if self.is_half else 4

    def add(
        self,
        phase: Phase,
        kernel: str,
        global_size: Size3,
        hint: Size3 | None,
        binding: Binding,
    ) -> None:
        """Enqueue a kernel with the local size that it hints at, if the library passes it on."""
        self.steps.append(
            Step(
                phase=phase,
                kernel=kernel,
                global_size=global_size,
                local_size=self._clamped(hint, global_size),
                binding=binding,
            )
        )

    def take_over(self, inner: Sequence, names: dict[str, str]) -> None:
        """Append the steps and tensors of another sequence, tensors renamed."""
        self.tensors |= {names.get(name, name): tensor for name, tensor in inner.tensors.items()}
        for step in inner.steps:
            arguments = tuple(
                names.get(a, a) if isinstance(a, str) else a for a in step.binding.arguments
            )
            binding = replace(step.binding, arguments=arguments)
            self.steps.append(replace(step, binding=binding))

    def _clamped(self, hint: Size3 | None, global_size: Size3) -> Size3 | None:
        """Drop a hint that is too large; one that does not divide the NDRange stays."""
        if hint is None or hint[0] * hint[1] * hint[2] > self.target.max_work_group:
            return None
        if any(wish > size for wish, size in zip(hint, global_size, strict=True)):
            return None
        return hint


def ceil_div(n: int, step: int) -> int:
    """Return the number of steps that cover `n`."""
    return -(-n // step)


def round_up(n: int, step: int) -> int:
    """Return the smallest multiple of `step` that is not below `n`."""
    return -(-n // step) * step


def f32(value: float) -> float:
    """Round to 32 bits, in which the library compares."""
    rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    return rounded
