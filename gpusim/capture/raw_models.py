"""JSON records of a raw log as checked models; what the shim writes, see ``shim/*.c``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gpusim.capture.raw_frames import Frames
from gpusim.errors import TraceError, located

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

_SHA256 = r"^[0-9a-f]{64}$"

Id = Annotated[int, Field(ge=0, lt=2**32)]
Size = Annotated[int, Field(ge=0, lt=2**63)]
Bits = Annotated[int, Field(ge=0, lt=2**64)]
Sha256 = Annotated[str, Field(pattern=_SHA256)]
Answers = dict[str, int | str | list[int] | list[tuple[str, int]]]


class _Record(BaseModel):
    # A newer shim may say more; what is said must have the right type.
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class SessionRecord(_Record):
    """The process, and how it was captured."""

    shim: str = ""
    parent_pid: Id = 0
    executable: str = ""
    argv: list[str] = Field(default_factory=list)
    environment: dict[str, str] = Field(default_factory=dict)
    entry: str = ""
    blobs: str = ""
    data: str = "auto"
    dry: bool = False
    profiling: bool = False
    impersonated: bool = False
    profile: str | None = None
    unknown_profile_keys: list[str] = Field(default_factory=list)


class AnswersRecord(_Record):
    """A platform or device: what the runtime answers and what the program is told."""

    id: Id
    real: Answers
    presented: Answers


class QueueRecord(_Record):
    """A command queue."""

    id: Id
    device: Id | None = None
    properties: Bits = 0
    """As the program asked."""
    profiled: bool = False


class ProgramRecord(_Record):
    """A program as it was created."""

    id: Id
    form: Annotated[str, Field(pattern="^(source|il|binary|linked)$")]
    blob: Sha256 | None = None
    inputs: list[Annotated[int, Field(ge=-1, lt=2**32)]] = Field(default_factory=list)
    """Programs that a linked one was made of; -1: unknown."""
    options: str = ""


class BuildRecord(_Record):
    """A build or compilation of a program."""

    program: Id | None
    options: str
    rc: int
    headers: list[tuple[str, int]] = Field(default_factory=list)


class ParameterRecord(_Record):
    """A kernel parameter; empty texts where the runtime does not tell."""

    address: str = ""
    type: str = ""
    name: str = ""


class KernelRecord(_Record):
    """A kernel object."""

    id: Id
    program: Id | None
    name: str
    parameters: list[ParameterRecord]


class ImageRecord(_Record):
    """What a memory object has when it is an image."""

    type: Id
    order: Id
    channel: Id
    width: Size
    height: Size
    depth: Size
    array_size: Size
    row_pitch: Size
    slice_pitch: Size


class MemoryRecord(_Record):
    """A buffer, sub-buffer, image or allocation of shared virtual memory."""

    id: Id
    flags: Annotated[int, Field(ge=0, lt=2**63)]
    size: Size
    parent: Id | None
    offset: Size
    content: Sha256 | None = None
    content_hash: Sha256 | None = None
    image: ImageRecord | None = None


class SamplerRecord(_Record):
    """A sampler."""

    id: Id
    normalized: bool
    addressing: Id
    filter: Id


class NoteRecord(_Record):
    """Something a reader of the trace should know."""

    what: str
    detail: str


Model = TypeVar("Model", bound=_Record)


def read_record(frames: Frames, index: int, model: type[Model]) -> Model:
    """Return one JSON record, checked.

    Parameters
    ----------
    frames : Frames
        The log.
    index : int
        Of the frame.
    model : type
        What the record should be.

    Raises
    ------
    TraceError
        When it is not JSON, or lacks a key, or a value has the wrong type; names record and key.
    """
    try:
        return model.model_validate_json(frames.payload(index))
    except ValidationError as error:
        raise TraceError(_complaint(frames.where(index), error.errors()[0])) from None


def _complaint(where: str, error: ErrorDetails) -> str:
    place = ".".join(str(item) for item in error["loc"])
    if not place:
        return located(where, "damaged", expected="a JSON object", found=error["msg"])
    found = "nothing" if error["type"] == "missing" else ascii(error["input"])[:80]
    return located(f"{where}: {place}", "wrong value", expected=error["msg"], found=found)
