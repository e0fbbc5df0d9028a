"""From a recorded launch to the jobs that the driver makes of it."""

from __future__ import annotations

from gpusim.device.spec import DeviceSpec
from gpusim.errors import LowerError, located
from gpusim.lower.addresses import AddressMap, image_bytes
from gpusim.lower.job import BoundArgument, Job
from gpusim.lower.local_size import resolve_local_size
from gpusim.lower.regions import split_regions
from gpusim.trace.records import PLANNED, Argument, ArgumentKind, Buffer, Launch, Size3, Trace

JOB_SPLITS = ("uniform_and_remainder", "none")
"""``uniform_and_remainder``: every region is a job of its own (Mali). ``none``: one job holds all
regions; its edge work-groups are smaller, as a guarded CUDA grid's edge blocks do less work."""


def lower_launch(
    launch: Launch,
    trace: Trace,
    device: DeviceSpec,
    addresses: AddressMap,
    *,
    required_local_size: Size3 | None = None,
) -> tuple[Job, ...]:
    """Return the jobs of a launch, in the order the driver submits them.

    Parameters
    ----------
    launch : Launch
        Recorded or planned.
    trace : Trace
        The launch's trace, for its buffers and for messages.
    device : DeviceSpec
        Its policies resolve a NULL local size and split uneven NDRanges.
    addresses : AddressMap
        Of the same trace and device.
    required_local_size : Size3, optional
        The kernel's ``reqd_work_group_size``, which the compiler knows.

    Returns
    -------
    tuple of Job
        One to eight. Under the policy ``none`` the regions after the first have `joined` set:
        they are counted apart, because their group shape differs, but timed as one job.

    Raises
    ------
    LowerError
        If the launch is not legal on the device.
    """
    where = f"{trace.name}: launch {launch.index} ({launch.kernel})"
    if min(launch.global_size) < 1:
        raise LowerError(
            located(where, "global size is not positive", expected=">= 1", found=launch.global_size)
        )
    split = device.policy.job_split.value
    if split not in JOB_SPLITS:
        raise LowerError(
            located(
                f"{device.file}: policy.job_split",
                "unknown policy",
                expected=" or ".join(JOB_SPLITS),
                found=split,
            )
        )
    local_size = resolve_local_size(
        launch.global_size,
        launch.local_size,
        device,
        required=required_local_size,
        where=where,
    )
    arguments = tuple(
        _bind(argument, trace, device, addresses, where) for argument in launch.arguments
    )
    x, y, z = (
        -(-extent // size) for extent, size in zip(launch.global_size, local_size, strict=True)
    )
    regions = split_regions(launch.global_size, local_size)
    if required_local_size is not None and len(regions) > 1:
        raise LowerError(
            located(
                where,
                "global size is no multiple of the kernel's reqd_work_group_size",
                expected=f"a multiple of {required_local_size}",
                found=launch.global_size,
            )
        )
    return tuple(
        Job(
            launch=launch.index,
            index=index,
            kernel=launch.kernel,
            program=launch.program,
            global_size=region.global_size,
            local_size=region.local_size,
            item_offset=region.item_offset,
            group_offset=region.group_offset,
            launch_global_size=launch.global_size,
            launch_global_offset=launch.global_offset,
            launch_num_groups=(x, y, z),
            enqueued_local_size=local_size,
            work_dim=launch.work_dim,
            arguments=arguments,
            joined=split == "none" and index > 0,
        )
        for index, region in enumerate(regions)
    )


def _bind(
    argument: Argument, trace: Trace, device: DeviceSpec, addresses: AddressMap, where: str
) -> BoundArgument:
    """Return the argument with the address of what it refers to."""
    place = f"{where}: argument {argument.index}"
    if argument.kind is ArgumentKind.LOCAL:
        return BoundArgument(argument=argument, size_bytes=argument.size_bytes)
    if argument.kind is ArgumentKind.IMAGE and argument.ref is not None:
        image = trace.images.get(argument.ref)
        if image is None:
            raise LowerError(located(place, "no such image", found=argument.ref))
        return BoundArgument(
            argument=argument,
            address=addresses.images[image.id],
            size_bytes=image_bytes(image),
            image=image,
        )
    if argument.kind is ArgumentKind.SAMPLER and argument.ref is not None:
        sampler = trace.samplers.get(argument.ref)
        if sampler is None:
            raise LowerError(located(place, "no such sampler", found=argument.ref))
        return BoundArgument(argument=argument, sampler=sampler)
    if argument.kind is not ArgumentKind.BUFFER or argument.ref is None:
        return BoundArgument(argument=argument)
    buffer = trace.buffers.get(argument.ref)
    if buffer is None:
        raise LowerError(located(place, "no such buffer", found=argument.ref))
    limit = device.limits.max_allocation_bytes.value
    if buffer.size_bytes > limit:
        raise LowerError(
            located(
                place,
                f"buffer {buffer.id} is larger than {device.id} can allocate",
                expected=f"at most {limit} bytes",
                found=buffer.size_bytes,
            )
        )
    return BoundArgument(
        argument=argument,
        address=addresses.buffers[buffer.id],
        size_bytes=buffer.size_bytes,
        index_content=_index_content(buffer, trace),
    )


def _index_content(buffer: Buffer, trace: Trace) -> bytes | None:
    """Return what a plan stored of a buffer: it stores what reaches addresses, and that stays.

    A captured program may have written the buffer since.
    """
    is_planned = trace.manifest.get("format") == PLANNED
    if not is_planned or buffer.content is None or buffer.size_bytes % 4:
        return None
    return trace.read_blob(buffer.content)
