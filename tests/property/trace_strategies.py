"""Hypothesis strategies for traces that are valid but odd."""

from hypothesis import strategies as st

from gpusim.trace.records import (
    Argument,
    ArgumentKind,
    Buffer,
    Command,
    CommandKind,
    DeviceTimes,
    Image,
    Kernel,
    Launch,
    Program,
    Sampler,
    Trace,
)
from tests.unit.trace.sample import sha

NS = st.integers(0, 2**62 - 1)
SIZES = st.integers(0, 2**48)
IDS = st.integers(0, 2**63 - 1)
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,20}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=30)
TIMES = st.none() | st.builds(DeviceTimes, queued_ns=NS, submit_ns=NS, start_ns=NS, end_ns=NS)
CONSTANTS = st.from_regex(r"[A-Z0-9_]{1,12}", fullmatch=True)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(-1e6, 1e6) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def ndranges(draw):
    work_dim = draw(st.integers(1, 3))

    def sizes(low, high, neutral):
        values = [draw(st.integers(low, high)) for _ in range(work_dim)]
        return tuple(values + [neutral] * (3 - work_dim))

    return {
        "work_dim": work_dim,
        "global_size": sizes(0, 2**20, 1),
        "local_size": draw(st.none() | st.just(sizes(1, 2**32, 1))),
        "global_offset": sizes(0, 2**48, 0),
    }


@st.composite
def objects(draw):
    blobs = draw(st.lists(st.binary(max_size=40) | TEXTS.map(str.encode), max_size=4))
    names = st.none() | st.sampled_from([sha(blob) for blob in blobs]) if blobs else st.none()
    keys = draw(st.lists(IDS, min_size=6, max_size=12, unique=True))
    program, kernel, buffer, sub_buffer, image, sampler = keys[:6]
    size = draw(SIZES)
    offset = draw(st.integers(0, size))
    return blobs, {
        "programs": {
            program: Program(
                id=program,
                kind=draw(st.sampled_from(["source", "il", "binary"])),
                blob=draw(names),
                build_options=draw(TEXTS),
                headers=tuple(
                    (draw(TEXTS), sha(blob)) for blob in draw(st.permutations(blobs))[:2]
                ),
            )
        },
        "kernels": {kernel: Kernel(id=kernel, name=draw(NAMES), program=program)},
        "buffers": {
            buffer: Buffer(
                id=buffer,
                size_bytes=size,
                flags=draw(IDS),
                content_hash=draw(st.none() | st.just("0" * 64)),
                created_ns=draw(NS),
            ),
            sub_buffer: Buffer(
                id=sub_buffer,
                size_bytes=draw(st.integers(0, size - offset)),
                parent=buffer,
                offset_bytes=offset,
            ),
        },
        "images": {
            image: Image(
                id=image,
                type="image2d_array",
                width=draw(st.integers(1, 2**32)),
                height=draw(st.integers(1, 2**8)),
                array_size=draw(st.integers(1, 2**8)),
                channel_order=draw(CONSTANTS),
                row_pitch_bytes=draw(st.integers(0, 2**32)),
                buffer=draw(st.none() | st.just(buffer)),
                content=draw(names),
            )
        },
        "samplers": {
            sampler: Sampler(
                id=sampler,
                normalized=draw(st.booleans()),
                addressing=draw(CONSTANTS),
                filter=draw(CONSTANTS),
            )
        },
    }


@st.composite
def arguments(draw, trace_objects):
    pools = {
        ArgumentKind.BUFFER: list(trace_objects["buffers"]),
        ArgumentKind.IMAGE: list(trace_objects["images"]),
        ArgumentKind.SAMPLER: list(trace_objects["samplers"]),
    }
    result = []
    for index in sorted(draw(st.sets(st.integers(0, 65535), max_size=4))):
        kind = draw(st.sampled_from(list(ArgumentKind)))
        value = draw(st.none() | st.binary(max_size=20)) if kind == ArgumentKind.VALUE else None
        result.append(
            Argument(
                index=index,
                kind=kind,
                size_bytes=draw(st.integers(0, 2**20)) if value is None else len(value),
                ref=draw(st.sampled_from(pools[kind])) if kind in pools else None,
                value=value,
            )
        )
    return tuple(result)


@st.composite
def queue_items(draw, trace_objects):
    """Return launches and commands with rising `seq` and waits on the past."""
    seqs = sorted(draw(st.sets(IDS, max_size=8)))
    (kernel,) = trace_objects["kernels"].values()
    sets = draw(st.lists(arguments(trace_objects), min_size=1, max_size=2))
    memory = [*trace_objects["buffers"], *trace_objects["images"]]
    launches, commands = [], []
    for at, seq in enumerate(seqs):
        waits = st.lists(st.sampled_from(seqs[:at]), max_size=2) if at else st.just([])
        common = {
            "seq": seq,
            "queue": draw(st.none() | IDS),
            "waits": tuple(draw(waits)),
            "thread": draw(IDS),
            "host_ns": draw(NS),
            "host_duration_ns": draw(NS),
            "times": draw(TIMES),
        }
        if draw(st.booleans()):
            launches.append(
                Launch(
                    index=len(launches),
                    kernel=kernel.name,
                    program=kernel.program,
                    kernel_id=draw(st.none() | st.just(kernel.id)),
                    arguments=draw(st.sampled_from(sets)),
                    result_code=draw(st.integers(-(2**31), 2**31 - 1)),
                    label=draw(TEXTS),
                    **draw(ndranges()),
                    **common,
                )
            )
        else:
            commands.append(
                Command(
                    kind=draw(st.sampled_from([*CommandKind][1:])),
                    source=draw(st.none() | st.sampled_from(memory)),
                    target=draw(st.none() | st.sampled_from(memory)),
                    blocking=draw(st.booleans()),
                    name=draw(TEXTS),
                    **common,
                )
            )
    return {"launches": tuple(launches), "commands": tuple(commands)}


@st.composite
def traces(draw):
    """Return a valid trace whose blobs are in memory."""
    blobs, trace_objects = draw(objects())
    manifest = {
        "impersonated": draw(st.booleans()),
        "profile": draw(st.none() | TEXTS),
        "completeness": {
            "unrecorded_calls": draw(st.lists(TEXTS, max_size=2)),
            "truncated": draw(st.booleans()),
            "profiling_forced": draw(st.booleans()),
        },
        "provenance": draw(st.dictionaries(TEXTS, JSON, max_size=3)),
    }
    device = {"real": {"CL_DEVICE_NAME": draw(TEXTS)}, "presented": {}, "profile": None}
    return Trace(
        name="drawn",
        manifest=manifest,
        devices=(device,) * draw(st.integers(0, 2)),
        read_blob={sha(blob): blob for blob in blobs}.__getitem__,
        **trace_objects,
        **draw(queue_items(trace_objects)),
    )
