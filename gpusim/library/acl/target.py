"""The GPU as ACL v19.02 sees it: what it makes of a device's name.

The library reads the name, looks for ``Mali-`` and compares what follows with the names it knows;
anything else is the generic GPU of a family. The core count, the caches and the driver play no
part.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from gpusim.errors import GpusimError, located
from gpusim.trace.records import Size3


class Family(StrEnum):
    """The architectures that ACL tells apart."""

    MIDGARD = "midgard"
    BIFROST = "bifrost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A GPU as ACL's heuristics know it."""

    name: str
    """``g72``; ``midgard`` or ``bifrost`` for the generic GPU of a family."""
    family: Family
    max_work_group: int
    """Work-items of a group at most; a larger local size is dropped."""

    @property
    def is_bifrost(self) -> bool:
        """Whether the library takes its Bifrost paths."""
        return self.family is Family.BIFROST

    @property
    def is_listed(self) -> bool:
        """Whether the static tuner has values for this GPU, rather than for its family."""
        return self.name in _STATICALLY_TUNED

    @property
    def default_hint(self) -> Size3 | None:
        """Local size of a kernel that asks for none."""
        return None if self.is_bifrost else (128, 1, 1)


_KNOWN_BIFROST = ("g71", "g72", "g51", "g51big", "g51lit", "g52", "g52lit", "g76")
_STATICALLY_TUNED = frozenset(_KNOWN_BIFROST)
_KNOWN_MIDGARD = ("t600", "t700", "t800")
_MAX_WORK_GROUP = {Family.MIDGARD: 256, Family.BIFROST: 384}
"""Of the boards; clinfo of an Odroid XU4 and of Mali-G71 and G52 boards."""

_MALI_ID = re.compile(r"mali-([a-z][a-z0-9]*)(-mp\d+)?(:\w+)?")


def target_of(device: str) -> Target:
    """Return what ACL takes the device for.

    Parameters
    ----------
    device : str
        Id of a device model, or of a GPU without one: ``mali-g71``, ``mali-t700``; an Adreno
        counts as the generic Midgard, as every GPU without ``Mali-`` in its name does.

    Raises
    ------
    GpusimError
        For a device that is not known to run the library.
    """
    match = _MALI_ID.fullmatch(device.lower())
    if match and match[1] in ("midgard", "bifrost"):
        return _target(match[1], Family(match[1]))
    if match and match[1] in _KNOWN_BIFROST:
        return _target(match[1], Family.BIFROST)
    if match and match[1] in _KNOWN_MIDGARD:
        return _target(match[1], Family.MIDGARD)
    if match and re.fullmatch(r"t\d{3}", match[1]):
        return _target("midgard", Family.MIDGARD)
    if match and re.fullmatch(r"g\d{2,3}", match[1]):
        return _target("bifrost", Family.BIFROST)
    if re.fullmatch(r"adreno-\d{3}", device.lower()):
        return Target(name="midgard", family=Family.MIDGARD, max_work_group=1024)
    expected = "a Mali or an Adreno, such as mali-t628, mali-g72, mali-g76 or adreno-530"
    raise GpusimError(located("target", "not one of ACL", expected=expected, found=device))


def _target(name: str, family: Family) -> Target:
    return Target(name=name, family=family, max_work_group=_MAX_WORK_GROUP[family])
