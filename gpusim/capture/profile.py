"""Impersonation profiles: what an OpenCL program sees of the device that it is shown.

A profile is a YAML file in ``profiles/``. Each answer carries where it comes from, like a figure
of a device model: ``CL_DEVICE_MAX_WORK_GROUP_SIZE: {value: 384, source: [...], kind: ...}``.
Answers that a family of drivers shares live in ``profiles/shared/`` and are named by ``inherits``;
the device's own file wins.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gpusim.capture.profile_queries import QUERIES
from gpusim.device.quantity import Kind
from gpusim.device.strict_yaml import parse_yaml
from gpusim.errors import DeviceError, located

PROFILES_DIR = Path(__file__).resolve().parent / "profiles"
_SHARED_DIR = PROFILES_DIR / "shared"
_FORMAT = "gpusim.profile"
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a profile answers to one query, with its evidence."""

    value: Any
    source: tuple[str, ...]
    kind: Kind
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A device that a captured program is shown instead of the real one."""

    id: str
    board: str
    """The board and driver whose answers these are."""
    note: str = ""
    path: Path
    answers: Mapping[str, Answer] = field(repr=False)
    """Query name -> answer; all of `profile_queries.QUERIES`."""
    withheld: Mapping[str, str] = field(repr=False, default_factory=dict)
    """Extension of the board that is not claimed -> why."""
    sources: Mapping[str, str] = field(repr=False, default_factory=dict)
    """Source key -> where to read it."""

    @property
    def name(self) -> str:
        """CL_DEVICE_NAME."""
        return str(self.answers["CL_DEVICE_NAME"].value)

    @property
    def extensions(self) -> tuple[str, ...]:
        """CL_DEVICE_EXTENSIONS, in order."""
        return tuple(self.answers["CL_DEVICE_EXTENSIONS"].value)

    @property
    def opencl_version(self) -> tuple[int, int]:
        """Major and minor version in CL_DEVICE_VERSION."""
        return _version_of(str(self.answers["CL_DEVICE_VERSION"].value))

    @property
    def uneven_work_groups(self) -> bool:
        """Whether a local size need not divide the global size, for programs that ask for it."""
        return (
            self.opencl_version[0] == 2 or "cl_arm_non_uniform_work_group_size" in self.extensions
        )

    def evidence(self) -> dict[str, int]:
        """Return the number of answers per kind, every kind present."""
        counts = Counter(answer.kind.value for answer in self.answers.values())
        return {kind.value: counts.get(kind.value, 0) for kind in Kind}

    def flat(self) -> dict[str, str]:
        """Return every answer as text, for the capture shim.

        Returns
        -------
        dict of str to str
            OpenCL query name -> answer: integers, booleans, enumerations and bit fields in
            decimal; lists separated by single spaces. Besides the answers of the file, the ones
            that follow from them, so that they cannot contradict each other: ``*_NUMERIC_VERSION``
            (packed cl_version), ``CL_DEVICE_OPENCL_C_ALL_VERSIONS`` (packed versions, all named
            ``OpenCL C``), ``*_EXTENSIONS_WITH_VERSION`` (``name=version`` items) and the device's
            ``CL_DEVICE_PREFERRED_WORK_GROUP_SIZE_MULTIPLE`` and
            ``CL_DEVICE_NON_UNIFORM_WORK_GROUP_SUPPORT`` (core in OpenCL 2, Arm's extension
            otherwise). ``CL_DEVICE_ADDRESS_BITS`` is never among them.
        """
        texts = {key: QUERIES[key].as_text(answer.value) for key, answer in self.answers.items()}
        platform = _version_of(texts["CL_PLATFORM_VERSION"])
        language = _version_of(texts["CL_DEVICE_OPENCL_C_VERSION"])
        languages = [v for v in ((1, 0), (1, 1), (1, 2), (2, 0), (3, 0)) if v <= language]
        return texts | {
            "CL_PLATFORM_NUMERIC_VERSION": str(_packed(*platform)),
            "CL_DEVICE_NUMERIC_VERSION": str(_packed(*self.opencl_version)),
            "CL_DEVICE_OPENCL_C_NUMERIC_VERSION_KHR": str(_packed(*language)),
            "CL_DEVICE_OPENCL_C_ALL_VERSIONS": " ".join(str(_packed(*v)) for v in languages),
            "CL_PLATFORM_EXTENSIONS_WITH_VERSION": _versioned(
                self.answers["CL_PLATFORM_EXTENSIONS"].value
            ),
            "CL_DEVICE_EXTENSIONS_WITH_VERSION": _versioned(self.extensions),
            "CL_DEVICE_PREFERRED_WORK_GROUP_SIZE_MULTIPLE": texts[
                "CL_KERNEL_PREFERRED_WORK_GROUP_SIZE_MULTIPLE"
            ],
            "CL_DEVICE_NON_UNIFORM_WORK_GROUP_SUPPORT": str(int(self.uneven_work_groups)),
        }


def list_profiles() -> list[str]:
    """Return the ids of the profiles that come with gpusim, sorted."""
    return sorted(path.stem for path in PROFILES_DIR.glob("*.yaml"))


def load_profile(profile: str | Path) -> Profile:
    """Load and check a profile.

    Parameters
    ----------
    profile : str or Path
        An id of :func:`list_profiles`, or the path of a YAML file of the same form.

    Raises
    ------
    DeviceError
        Unknown id, unreadable file, or a file that is malformed, incomplete or contradicts
        itself; one line that names file, key, expected and found.
    """
    path = Path(profile)
    if path.suffix not in (".yaml", ".yml"):
        path = PROFILES_DIR / f"{profile}.yaml"
        if str(profile) not in list_profiles():
            known = ", ".join(list_profiles())
            raise DeviceError(
                located("capture profile", "unknown", expected=known, found=str(profile))
            )
    own = _read(path)
    if not isinstance(own, _DeviceFile):
        raise DeviceError(located(path, "is a shared part, not a device"))
    parts: list[_SharedFile] = [own]
    if own.inherits is not None:
        shared_path = _SHARED_DIR / f"{own.inherits}.yaml"
        if not shared_path.is_file():
            known = ", ".join(sorted(part.stem for part in _SHARED_DIR.glob("*.yaml")))
            raise DeviceError(
                located(f"{path}: inherits", "unknown part", expected=known, found=own.inherits)
            )
        parts.insert(0, _read(shared_path))
    return _assemble(path, own, parts)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class _AnswerNode(_Strict):
    value: Any
    source: Annotated[list[str], Field(min_length=1)]
    kind: Annotated[Kind, Field(strict=False)]
    note: str = ""


class _SharedFile(_Strict):
    format: str
    version: int
    note: str = ""
    sources: dict[str, str] = Field(default_factory=dict)
    withheld_extensions: dict[str, str] = Field(default_factory=dict)
    answers: dict[str, _AnswerNode] = Field(default_factory=dict)


class _DeviceFile(_SharedFile):
    id: str
    board: str
    inherits: str | None = None


def _read(path: Path) -> _SharedFile:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DeviceError(located(path, "cannot be read", found=str(error))) from None
    raw = parse_yaml(text, str(path))
    if not isinstance(raw, dict):
        raise DeviceError(located(path, "is empty or no mapping", expected="a profile"))
    for key, expected in (("format", _FORMAT), ("version", _VERSION)):
        if raw.get(key) != expected:
            raise DeviceError(
                located(f"{path}: {key}", "wrong", expected=str(expected), found=repr(raw.get(key)))
            )
    model = _DeviceFile if "id" in raw else _SharedFile
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(item) for item in first["loc"])
        raise DeviceError(
            located(f"{path}: {place}", first["msg"], found=repr(first["input"])[:80])
        ) from None


def _assemble(path: Path, own: _DeviceFile, parts: list[_SharedFile]) -> Profile:
    sources: dict[str, str] = {}
    withheld: dict[str, str] = {}
    answers: dict[str, Answer] = {}
    for part in parts:
        sources |= part.sources
        withheld |= part.withheld_extensions
        for key, node in part.answers.items():
            answers[key] = _checked_answer(path, key, node, sources)
    missing = [key for key in QUERIES if key not in answers]
    if missing:
        raise DeviceError(located(f"{path}: answers", "missing", expected=missing[0]))
    profile = Profile(
        id=own.id,
        board=own.board,
        note=own.note,
        path=path,
        answers=answers,
        withheld=withheld,
        sources=sources,
    )
    for key, problem in _contradictions(profile):
        raise DeviceError(
            located(f"{path}: answers.{key}", problem, found=repr(answers[key].value)[:80])
        )
    return profile


def _checked_answer(path: Path, key: str, node: _AnswerNode, sources: Mapping[str, str]) -> Answer:
    place = f"{path}: answers.{key}"
    if key == "CL_DEVICE_ADDRESS_BITS":
        raise DeviceError(located(place, "cannot be impersonated: kernels run on the host"))
    query = QUERIES.get(key)
    if query is None:
        raise DeviceError(located(place, "unknown query", expected=_nearest(key)))
    if not query.accepts(node.value):
        raise DeviceError(
            located(place, "wrong value", expected=query.expected, found=repr(node.value)[:80])
        )
    for source in node.source:
        if source not in sources:
            raise DeviceError(
                located(place, "unknown source", expected=", ".join(sources), found=source)
            )
    return Answer(value=node.value, source=tuple(node.source), kind=node.kind, note=node.note)


def _contradictions(profile: Profile) -> Iterator[tuple[str, str]]:
    """Yield (query, problem) for answers no real driver could give together."""
    value = {key: answer.value for key, answer in profile.answers.items()}
    extensions = set(profile.extensions)
    for key, pattern in (
        ("CL_PLATFORM_VERSION", r"OpenCL \d\.\d .*"),
        ("CL_DEVICE_VERSION", r"OpenCL \d\.\d .*"),
        ("CL_DEVICE_OPENCL_C_VERSION", r"OpenCL C \d\.\d .*"),
    ):
        if not re.fullmatch(pattern, value[key]):
            yield key, f"does not have the form that the specification asks for ({pattern})"
            return
    if _version_of(value["CL_PLATFORM_VERSION"]) < profile.opencl_version:
        yield "CL_PLATFORM_VERSION", "is below the device's version"
    if value["CL_KERNEL_WORK_GROUP_SIZE"] > value["CL_DEVICE_MAX_WORK_GROUP_SIZE"]:
        yield "CL_KERNEL_WORK_GROUP_SIZE", "is above CL_DEVICE_MAX_WORK_GROUP_SIZE"
    if value["CL_DEVICE_MAX_MEM_ALLOC_SIZE"] > value["CL_DEVICE_GLOBAL_MEM_SIZE"]:
        yield "CL_DEVICE_MAX_MEM_ALLOC_SIZE", "is above CL_DEVICE_GLOBAL_MEM_SIZE"
    for name, extension in (("HALF", "cl_khr_fp16"), ("DOUBLE", "cl_khr_fp64")):
        claimed = extension in extensions
        for key in (
            f"CL_DEVICE_{name}_FP_CONFIG",
            f"CL_DEVICE_PREFERRED_VECTOR_WIDTH_{name}",
            f"CL_DEVICE_NATIVE_VECTOR_WIDTH_{name}",
        ):
            if bool(value[key]) != claimed:
                yield key, f"disagrees with {extension} {'claimed' if claimed else 'not claimed'}"
    if value["CL_DEVICE_SVM_CAPABILITIES"] and profile.opencl_version < (2, 0):
        yield "CL_DEVICE_SVM_CAPABILITIES", "needs OpenCL 2.0"
    both = sorted(extensions & set(profile.withheld))
    if both:
        yield "CL_DEVICE_EXTENSIONS", f"claims {both[0]}, which the file says is withheld"


def _version_of(text: str) -> tuple[int, int]:
    found = re.search(r"(\d)\.(\d)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _packed(major: int, minor: int, patch: int = 0) -> int:
    """Return a cl_version: major in the top 10 bits, minor in the next 10, patch in the last 12."""
    return (major << 22) | (minor << 12) | patch


def _versioned(extensions: list[str] | tuple[str, ...]) -> str:
    # Vendors report 1.0.0 for every extension used here (clinfo of the G610).
    return " ".join(f"{name}={_packed(1, 0)}" for name in extensions)


@cache
def _query_names() -> tuple[str, ...]:
    return tuple(QUERIES)


def _nearest(key: str) -> str:
    import difflib

    close = difflib.get_close_matches(key, _query_names(), n=1)
    return close[0] if close else "the name of an OpenCL query"
