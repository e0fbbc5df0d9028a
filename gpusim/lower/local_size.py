"""What a driver picks when the program passes NULL as the local size.

No vendor documents its rule. Each policy here is a pure function of the global size; the device
model names one and says how it is known.
"""

from __future__ import annotations

from collections.abc import Callable

from gpusim.device.spec import DeviceSpec
from gpusim.errors import LowerError, located
from gpusim.trace.records import Size3


def power_of_two_part(n: int) -> int:
    """Return the largest power of two that divides `n` (positive)."""
    return n & -n


def mali_g72(global_size: Size3) -> Size3:
    """Fill a quad in x if x allows it, else take up to eight slices of z.

    A working hypothesis that reproduces the four local sizes published for Mali-G72: (2,1,8),
    (1,1,8), (4,1,1) and (1,1,8) for 90 to 93 channels (Radu et al., IISWC 2019, Table V).
    """
    x = min(4, power_of_two_part(global_size[0]))
    if x == 4:
        return (4, 1, 1)
    return (x, 1, min(8, power_of_two_part(global_size[2])))


def power_of_two_divisors(global_size: Size3, limit: int) -> Size3:
    """Return the largest power-of-two divisors, x first, whose product is at most `limit`."""
    sizes = []
    for extent in global_size:
        size = min(power_of_two_part(extent), limit)
        limit //= size
        sizes.append(size)
    return (sizes[0], sizes[1], sizes[2])


NULL_LOCAL_SIZE: dict[str, Callable[[Size3], Size3]] = {
    "mali_g72": mali_g72,
    "power_of_two_divisors_64": lambda size: power_of_two_divisors(size, 64),
    "power_of_two_divisors_256": lambda size: power_of_two_divisors(size, 256),
}
"""Policy name in a device model -> function of the global size."""


def resolve_local_size(
    global_size: Size3,
    local_size: Size3 | None,
    device: DeviceSpec,
    *,
    required: Size3 | None = None,
    where: str,
) -> Size3:
    """Return the work-group shape the driver uses for the main part of a launch.

    Parameters
    ----------
    global_size : Size3
        Work-items per dimension, all positive.
    local_size : Size3 or None
        As the program passed it; None = NULL.
    device : DeviceSpec
        Supplies the policy for NULL and the largest work-group.
    required : Size3, optional
        The kernel's ``reqd_work_group_size``.
    where : str
        Names the launch in an error.

    Returns
    -------
    Size3
        May exceed `global_size`: OpenCL 2.0 then runs one smaller group in that dimension.

    Raises
    ------
    LowerError
        If the sizes contradict each other or exceed the device's limit.
    """
    if required is not None:
        if local_size not in (None, required):
            raise LowerError(
                located(
                    where,
                    "local size differs from the kernel's reqd_work_group_size",
                    expected=str(required),
                    found=local_size,
                )
            )
        local_size = required
    if local_size is None:
        name = device.policy.null_local_size.value
        if name not in NULL_LOCAL_SIZE:
            raise LowerError(
                located(
                    f"{device.file}: policy.null_local_size",
                    "unknown policy",
                    expected=" or ".join(NULL_LOCAL_SIZE),
                    found=name,
                )
            )
        local_size = NULL_LOCAL_SIZE[name](global_size)
    if min(local_size) < 1:
        raise LowerError(
            located(where, "local size is not positive", expected=">= 1", found=local_size)
        )
    limit = device.limits.max_work_group_size.value
    if local_size[0] * local_size[1] * local_size[2] > limit:
        raise LowerError(
            located(
                where,
                f"work-group is too large for {device.id}",
                expected=f"at most {limit} work-items",
                found=f"{local_size} = {local_size[0] * local_size[1] * local_size[2]}",
            )
        )
    return local_size
