"""What a server says of a batch, read before any of it is believed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.captions.llm.replies import Malformed, read_json

Stamp = Annotated[int, Field(ge=0, le=2**33)] | None
"""Seconds since 1970."""


class Made(BaseModel):
    """A thing that the server has made and named. Raises Malformed for a response that is none."""

    model_config = ConfigDict(from_attributes=True, strict=True)

    id: Annotated[str, Field(min_length=1, pattern=r"^[^\x00-\x1f\x7f]+$")]

    @classmethod
    def of(cls, response: Any) -> Self:
        """Read a response of the client's, which hands over as text what does not call itself JSON."""
        if isinstance(response, str):
            read_json("", response)
        try:
            return cls.model_validate(response)
        except (ValidationError, RecursionError):
            raise Malformed("a malformed answer") from None


class Counts(BaseModel):
    """How many requests of a batch are done."""

    model_config = Made.model_config

    completed: Annotated[int, Field(ge=0)] = 0
    failed: Annotated[int, Field(ge=0)] = 0


class Fault(BaseModel):
    """Why a batch was refused."""

    model_config = Made.model_config

    message: str | None = None


class Faults(BaseModel):
    """All reasons."""

    model_config = Made.model_config

    data: list[Fault] | None = None


class ToldOfBatch(Made):
    """A batch as the server has it."""

    status: str
    metadata: dict[str, str] | None = None
    request_counts: Counts | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    created_at: Stamp = None
    completed_at: Stamp = None
    expired_at: Stamp = None
    cancelled_at: Stamp = None
    errors: Faults | None = None

    @property
    def date(self) -> datetime:
        """When it ended, which is when its answers came: fetched twice, they are kept once."""
        stamp = self.completed_at or self.expired_at or self.cancelled_at or self.created_at
        return datetime.fromtimestamp(stamp or 0, UTC)

    @property
    def done(self) -> int:
        """Requests that are over."""
        return self.request_counts.completed + self.request_counts.failed if self.request_counts else 0

    @property
    def reasons(self) -> str:
        """Why it was refused."""
        faults = (self.errors.data if self.errors else None) or []
        return "; ".join(fault.message for fault in faults if fault.message)
