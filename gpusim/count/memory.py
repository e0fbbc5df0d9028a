"""Contents of a trace's buffers, shared with the process that runs its kernels."""

from __future__ import annotations

import itertools
import mmap
import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gpusim.compiler.limits import how_to_raise
from gpusim.errors import CountError, GpusimError

if TYPE_CHECKING:
    from gpusim.count.image_format import ImageLayout
    from gpusim.trace.records import Image, Trace

_serials = itertools.count()
_PAGE = 1 << 16
"""Buffers start on a multiple of the largest page size in use (64 KiB on some aarch64)."""


@dataclass(frozen=True, slots=True)
class Region:
    """Where a buffer lives in the shared file."""

    offset: int
    size_bytes: int
    root: int
    """The buffer itself, or the one it is a part of."""


class Memory:
    """Buffers by id, in one file that both processes map; contents evolve from launch to launch.

    Parameters
    ----------
    limit_bytes : int
        All buffers together; more is an error that names this limit.
    refuse_missing : bool
        Whether a launch whose branches depend on contents that were neither given nor written by
        an earlier launch is refused; otherwise they are zeros.
    """

    def __init__(self, limit_bytes: int = 8 << 30, *, refuse_missing: bool = False) -> None:
        self._refuses = refuse_missing
        self.serial = next(_serials)
        """Tells this object from all others of the process; `id` is used again."""
        self._limit = limit_bytes
        self._regions: dict[int, Region] = {}
        self._used = 0
        self._mapped: mmap.mmap | None = None
        self._images: dict[int, ImageLayout] = {}
        self._refused: dict[int, str] = {}
        """Images that could not be created, and why."""
        self._known: set[int] = set()
        self._deferred: list[tuple[frozenset[int], Callable[[], None]]] = []
        if hasattr(os, "memfd_create"):
            self.handle = os.memfd_create("gpusim-buffers")
        else:
            with tempfile.TemporaryFile() as stream:
                self.handle = os.dup(stream.fileno())

    @classmethod
    def from_trace(cls, trace: Trace, limit_bytes: int = 8 << 30) -> Memory:
        """Create the buffers of a trace with the contents that it stores.

        Parameters
        ----------
        trace : Trace
            Its buffers are created in order of their ids, parents first.
        limit_bytes : int
            All buffers together.
        """
        memory = cls(limit_bytes, refuse_missing=True)
        waiting = dict(sorted(trace.buffers.items()))
        while waiting:
            ready = [b for b in waiting.values() if b.parent is None or b.parent in memory._regions]
            if not ready:
                raise CountError(f"{trace.name}: sub-buffers {sorted(waiting)} have no parent")
            for buffer in ready:
                del waiting[buffer.id]
                content = trace.read_blob(buffer.content) if buffer.content else None
                memory.add(
                    buffer.id,
                    buffer.size_bytes,
                    content=content,
                    parent=buffer.parent,
                    offset_bytes=buffer.offset_bytes,
                )
        for image in trace.images.values():
            try:
                content = trace.read_blob(image.content) if image.content else None
                memory.add_image(image, content)
            except GpusimError as error:
                # Only the launches that use it are lost.
                memory._refused[image.id] = str(error)
        return memory

    def __contains__(self, buffer: int) -> bool:
        return buffer in self._regions

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Give the memory back."""
        if getattr(self, "handle", -1) >= 0:
            os.close(self.handle)
            self.handle = -1
            self._mapped = None

    @property
    def size_bytes(self) -> int:
        """Bytes of the shared file."""
        return max(self._used, _PAGE)

    def region(self, buffer: int) -> Region:
        """Return where a buffer or image lives."""
        if buffer in self._refused:
            raise CountError(self._refused[buffer])
        try:
            return self._regions[buffer]
        except KeyError:
            raise CountError(f"buffer {buffer} does not exist in the trace") from None

    def is_known(self, buffer: int) -> bool:
        """Whether contents were stored, given, or written by a kernel that ran."""
        return self.region(buffer).root in self._known

    def is_usable(self, buffer: int) -> bool:
        """Whether a branch may depend on the contents: they are known, or zeros will do."""
        return not self._refuses or self.is_known(buffer)

    def mark_known(self, buffer: int) -> None:
        """Note that a buffer's contents are what the program would see."""
        self._known.add(self.region(buffer).root)

    def mark_unknown(self, buffer: int) -> None:
        """Note that the program stored something whose bytes nobody kept."""
        self._known.discard(self.region(buffer).root)

    def defer(
        self, written: Iterable[int], touched: Iterable[int], run: Callable[[], None]
    ) -> None:
        """Note a launch whose writes are only made when somebody needs them.

        Parameters
        ----------
        written, touched : iterable of int
            Buffers that it writes, and all that it uses.
        run : callable
            Makes the writes.
        """
        roots = {self.region(buffer).root for buffer in (*written, *touched)}
        self._deferred.append((frozenset(roots), run))

    def settle(self, buffers: Iterable[int]) -> None:
        """Run the deferred launches that the contents of some buffers depend on, in order."""
        if not self._deferred:
            return
        needed = {self.region(buffer).root for buffer in buffers}
        due: list[Callable[[], None]] = []
        kept: list[tuple[frozenset[int], Callable[[], None]]] = []
        for roots, run in reversed(self._deferred):
            if roots & needed:
                needed |= roots
                due.append(run)
            else:
                kept.append((roots, run))
        self._deferred = kept[::-1]
        for run in reversed(due):
            run()

    def contents(self, buffer: int) -> npt.NDArray[np.uint8]:
        """Return a copy of a buffer's bytes as the launches so far have left them."""
        self.settle([buffer])
        return self.view(buffer).copy()

    def add(
        self,
        buffer: int,
        size_bytes: int,
        *,
        content: bytes | npt.NDArray[np.uint8] | None = None,
        parent: int | None = None,
        offset_bytes: int = 0,
    ) -> None:
        """Create a buffer, zero-filled or with `content`; a sub-buffer aliases its parent.

        Raises
        ------
        CountError
            The id is taken, the size is not positive, a sub-buffer leaves its parent, `content`
            does not fit, or the limit is exceeded.
        """
        if buffer in self._regions:
            raise CountError(f"buffer {buffer} exists twice")
        if size_bytes <= 0:
            raise CountError(f"buffer {buffer}: size must be positive, found {size_bytes}")
        if parent is not None:
            outer = self.region(parent)
            if offset_bytes < 0 or offset_bytes + size_bytes > outer.size_bytes:
                raise CountError(
                    f"buffer {buffer}: bytes {offset_bytes} to {offset_bytes + size_bytes} leave "
                    f"its parent {parent} of {outer.size_bytes} bytes"
                )
            self._regions[buffer] = Region(outer.offset + offset_bytes, size_bytes, outer.root)
        else:
            if self._used + size_bytes > self._limit:
                raise CountError(
                    f"buffer {buffer}: {size_bytes} bytes bring the buffers above "
                    f"{self._limit} bytes ({how_to_raise('memory_bytes')})"
                )
            self._regions[buffer] = Region(self._used, size_bytes, buffer)
            self._used += -(-size_bytes // _PAGE) * _PAGE
            self._mapped = None
            os.ftruncate(self.handle, self.size_bytes)
        if content is not None:
            self.write(buffer, 0, content)

    def add_image(self, image: Image, content: bytes | None = None) -> None:
        """Create an image, zero-filled or with `content` in the pitch of its record.

        Raises
        ------
        CountError
            As `add`; the image is of a kind that is not executed (3D, packed formats); or
            `content` is shorter than the image.
        """
        from gpusim.count.image_format import image_layout

        layout = image_layout(image)
        if image.buffer is not None and image.buffer in self._regions:
            size = self.region(image.buffer).size_bytes
            self.add(image.id, size, parent=image.buffer)
            self._images[image.id] = layout
            return
        self.add(image.id, layout.size_bytes)
        self._images[image.id] = layout
        if content is not None:
            row = layout.width * layout.texel_bytes
            pitch = max(image.row_pitch_bytes, row)
            plane = max(image.slice_pitch_bytes, pitch * layout.height)
            needed = (layout.layers - 1) * plane + (layout.height - 1) * pitch + row
            if len(content) < needed:
                raise CountError(
                    f"image {image.id}: contents of {len(content)} bytes, expected {needed}"
                )
            texels = np.lib.stride_tricks.as_strided(
                np.frombuffer(content, np.uint8),
                (layout.layers, layout.height, row),
                (plane, pitch, 1),
            )
            self.write(image.id, 0, texels.ravel())

    def _write_image(self, image: int, offset_bytes: int, raw: npt.NDArray[np.uint8]) -> None:
        """Store all texels of an image; of a part nobody recorded where it goes."""
        layout = self._images[image]
        if offset_bytes or len(raw) != layout.tight_bytes:
            self.mark_unknown(image)
            return
        row = layout.width * layout.texel_bytes
        texels = np.lib.stride_tricks.as_strided(
            self.view(image),
            (layout.layers, layout.height, row),
            (layout.slice_pitch_bytes, layout.row_pitch_bytes, 1),
        )
        texels[:] = raw.reshape(texels.shape)
        self.mark_known(image)

    def view(self, buffer: int) -> npt.NDArray[np.uint8]:
        """Return a buffer's bytes, writable; valid until the next `add`."""
        region = self.region(buffer)
        if self._mapped is None:
            self._mapped = mmap.mmap(self.handle, self.size_bytes)
        return np.frombuffer(self._mapped, np.uint8, region.size_bytes, region.offset)

    def write(self, buffer: int, offset_bytes: int, data: bytes | npt.NDArray[np.uint8]) -> None:
        """Store bytes, as clEnqueueWriteBuffer does."""
        raw = np.frombuffer(data, np.uint8)
        self.settle([buffer])
        if buffer in self._images:
            self._write_image(buffer, offset_bytes, raw)
            return
        target = self.view(buffer)
        if offset_bytes < 0 or offset_bytes + len(raw) > len(target):
            raise CountError(
                f"buffer {buffer}: a write of {len(raw)} bytes at {offset_bytes} exceeds its "
                f"{len(target)} bytes"
            )
        target[offset_bytes : offset_bytes + len(raw)] = raw
        self.mark_known(buffer)

    def fill(self, buffer: int, offset_bytes: int, size_bytes: int, pattern: bytes) -> None:
        """Repeat a pattern, as clEnqueueFillBuffer does; what a filled image holds is not known."""
        if buffer in self._images:
            self.mark_unknown(buffer)
            return
        if not pattern or size_bytes % len(pattern):
            raise CountError(
                f"buffer {buffer}: a fill of {size_bytes} bytes is no multiple of its pattern"
            )
        self.write(buffer, offset_bytes, pattern * (size_bytes // len(pattern)))

    def copy(
        self, source: int, target: int, source_offset: int, target_offset: int, size_bytes: int
    ) -> None:
        """Copy bytes, as clEnqueueCopyBuffer does; of images only all texels at once."""
        self.settle([source])
        for image in {source, target} & self._images.keys():
            layout = self._images[image]
            if size_bytes != layout.tight_bytes or layout.size_bytes != layout.tight_bytes:
                self.settle([target])
                self.mark_unknown(target)
                return
        origin = self.view(source)
        if source_offset < 0 or source_offset + size_bytes > len(origin):
            raise CountError(
                f"buffer {source}: a copy of {size_bytes} bytes at {source_offset} exceeds its "
                f"{len(origin)} bytes"
            )
        known = self.is_known(source) or self.is_known(target)
        self.write(target, target_offset, origin[source_offset : source_offset + size_bytes].copy())
        if not known:
            self._known.discard(self.region(target).root)
