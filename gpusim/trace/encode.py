"""Records -> Arrow tables: what a trace looks like before it becomes Parquet or JSONL.

Argument sets are interned: launches that were given equal arguments refer to one ``argset``, so
twenty thousand launches of one kernel with two buffer pairs store two sets.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from gpusim.trace import schema
from gpusim.trace.records import (
    Argument,
    Command,
    DeviceTimes,
    Launch,
    Program,
    Trace,
)
from gpusim.trace.sequences import CommandSequence, LaunchSequence

if TYPE_CHECKING:
    import pyarrow as pa

ROWS_PER_CHUNK = 1 << 16
"""Rows encoded at a time; also the Parquet row group, hence what a reader holds decoded."""

Row = tuple[Any, ...]


class ArgumentSets:
    """The distinct argument lists of a sequence of launches, numbered by first use."""

    def __init__(self, launches: Iterable[Launch]) -> None:
        known: dict[tuple[Argument, ...], int] = {}
        # A capture shares one tuple between launches; comparing its identity first saves hashing.
        last: tuple[Argument, ...] = ()
        last_id = -1
        self.of_launch = array("q")
        """Argument set of every launch; -1: no arguments."""
        for launch in launches:
            if launch.arguments is not last:
                last = launch.arguments
                last_id = known.setdefault(last, len(known)) if last else -1
            self.of_launch.append(last_id)
        self.sets = tuple(known)

    def rows(self) -> Iterator[Row]:
        """Yield the rows of the ``args`` table."""
        for argset, arguments in enumerate(self.sets):
            for argument in arguments:
                yield (
                    argset,
                    argument.index,
                    str(argument.kind),
                    argument.size_bytes,
                    argument.ref,
                    argument.value,
                )


def _times_row(times: DeviceTimes | None) -> Row:
    if times is None:
        return (None, None, None, None)
    return (times.queued_ns, times.submit_ns, times.start_ns, times.end_ns)


def _launch_row(launch: Launch, argset: int) -> Row:
    return (
        launch.seq,
        launch.kernel,
        launch.program,
        launch.kernel_id,
        launch.work_dim,
        *launch.global_size,
        *(launch.local_size or (None, None, None)),
        *launch.global_offset,
        argset if argset >= 0 else None,
        launch.queue,
        list(launch.waits),
        launch.thread,
        launch.host_ns,
        launch.host_duration_ns,
        launch.result_code,
        *_times_row(launch.times),
        launch.label,
    )


def _command_row(command: Command) -> Row:
    return (
        command.seq,
        str(command.kind),
        command.queue,
        list(command.waits),
        command.source,
        command.target,
        command.offset_bytes,
        command.source_offset_bytes,
        command.size_bytes,
        command.blocking,
        command.content,
        command.thread,
        command.host_ns,
        command.host_duration_ns,
        *_times_row(command.times),
        command.name,
    )


def _program_row(program: Program) -> Row:
    return (
        program.id,
        program.kind,
        program.blob,
        program.build_options,
        [name for name, _ in program.headers],
        [blob for _, blob in program.headers],
    )


def _field_rows(table: schema.Table, objects: Iterable[Any]) -> Iterator[Row]:
    names = [column.name for column in table.columns]
    for item in objects:
        yield tuple(getattr(item, name) for name in names)


def arrow_table(table: schema.Table, rows: Sequence[Row]) -> pa.Table:
    """Return `rows` as an Arrow table with the schema of `table`.

    Raises
    ------
    pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, OverflowError
        When a value does not fit its column; the caller names the trace.
    """
    import pyarrow as pa

    layout = schema.arrow_schema(table)
    columns = zip(*rows, strict=True) if rows else [()] * len(table.columns)
    arrays = [
        pa.array(list(column), type=field.type)
        for column, field in zip(columns, layout, strict=True)
    ]
    return pa.Table.from_arrays(arrays, schema=layout)


def _chunks(table: schema.Table, rows: Iterable[Row]) -> Iterator[pa.Table]:
    chunk: list[Row] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == ROWS_PER_CHUNK:
            yield arrow_table(table, chunk)
            chunk = []
    if chunk:
        yield arrow_table(table, chunk)


def encode(trace: Trace) -> dict[str, Callable[[], Iterator[pa.Table]]]:
    """Return, per table name, a function that yields the table chunk by chunk.

    Launches and commands that were themselves loaded from columns pass through as columns, so
    rewriting a large trace builds no objects.

    Parameters
    ----------
    trace : Trace
        Objects are written ordered by id, launches and commands in their own order.
    """

    def by_id(table: schema.Table, objects: dict[int, Any]) -> Callable[[], Iterator[pa.Table]]:
        ordered = [objects[key] for key in sorted(objects)]
        if table is schema.PROGRAMS:
            return lambda: _chunks(table, map(_program_row, ordered))
        return lambda: _chunks(table, _field_rows(table, ordered))

    encoded = {
        "programs": by_id(schema.PROGRAMS, dict(trace.programs)),
        "kernels": by_id(schema.KERNELS, dict(trace.kernels)),
        "samplers": by_id(schema.SAMPLERS, dict(trace.samplers)),
        "buffers": by_id(schema.BUFFERS, dict(trace.buffers)),
        "images": by_id(schema.IMAGES, dict(trace.images)),
    }
    launches, commands = trace.launches, trace.commands
    if isinstance(launches, LaunchSequence):
        encoded["args"] = launches.arguments.chunks
        encoded["launches"] = launches.table.chunks
    else:
        # Numbering the sets looks at every launch: once, and only if somebody wants the rows.
        sets = cache(lambda: ArgumentSets(launches))
        encoded["args"] = lambda: _chunks(schema.ARGUMENTS, sets().rows())
        encoded["launches"] = lambda: _chunks(
            schema.LAUNCHES, map(_launch_row, launches, sets().of_launch)
        )
    if isinstance(commands, CommandSequence):
        encoded["commands"] = commands.table.chunks
    else:
        encoded["commands"] = lambda: _chunks(schema.COMMANDS, map(_command_row, commands))
    return encoded
