"""Errors in the form that clients expect: a status and `{"detail": ...}`, from this package's exceptions."""

from collections.abc import Sequence
from typing import Any, cast

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse

from memgpt_agent.errors import (
    AgentExists,
    AgentFileError,
    AgentNotFound,
    BlockExists,
    BlockInUse,
    ConfigurationError,
    ConversationBusy,
    CoreMemoryFull,
    DocumentError,
    FileNotAttached,
    MemGPTError,
    MissingCredential,
    MissingDependency,
    ModelError,
    NotAllowed,
    NothingToDecide,
    TokenNotFound,
    ToolError,
    UnknownBlock,
    UnknownPassage,
    UnknownTool,
    UnknownVersion,
)

_STATUS: Sequence[tuple[type[Exception], int]] = (
    (AgentNotFound, 404), (UnknownBlock, 404), (UnknownPassage, 404), (UnknownTool, 404), (UnknownVersion, 404), (FileNotAttached, 404),
    (TokenNotFound, 404), (NotAllowed, 403),
    (AgentExists, 409), (BlockExists, 409), (BlockInUse, 409), (ConversationBusy, 409), (NothingToDecide, 400),
    (CoreMemoryFull, 422), (AgentFileError, 422), (DocumentError, 422), (ToolError, 422),
    (MissingCredential, 400), (MissingDependency, 400), (ModelError, 502), (ConfigurationError, 400),
)  # fmt: skip
"""The status of each kind of error; the first that fits."""


class HTTPProblem(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, detail: Any) -> None:
        super().__init__(detail if isinstance(detail, str) else repr(detail))
        self.status, self.detail = status, detail


def not_found(kind: str, given: str) -> HTTPProblem:
    """Return the one answer for what is not there and for what is somebody else's."""
    return HTTPProblem(404, f"There is no {kind} {given!r}.")


def status_of(error: BaseException) -> int:
    """Return the HTTP status of an error of this package."""
    if isinstance(error, HTTPProblem):
        return error.status
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def error_text(error: BaseException) -> str:
    """Return the text of an error for a client: the message of this package's errors, of others the kind alone."""
    return str(error) if isinstance(error, MemGPTError | HTTPProblem) else f"The server failed: {type(error).__name__}."


async def on_problem(_: Request, error: Exception) -> JSONResponse:
    """Answer with a problem."""
    problem = cast(HTTPProblem, error)
    return JSONResponse({"detail": problem.detail}, problem.status)


async def on_error(_: Request, error: Exception) -> JSONResponse:
    """Answer with an error of this package."""
    return JSONResponse({"detail": error_text(error)}, status_of(error))


async def on_invalid(_: Request, error: Exception) -> JSONResponse:
    """Answer that a request does not fit its shape; without what was given, which may be no JSON."""
    found = [
        {"loc": list(one["loc"]), "msg": one["msg"], "type": one["type"]} for one in cast(RequestValidationError, error).errors()
    ]
    return JSONResponse({"detail": found}, 422)
