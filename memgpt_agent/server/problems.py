"""Errors in the form that clients expect: a status and `{"detail": ...}`, from this package's exceptions."""

from collections.abc import Mapping, Sequence
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
    LimitReached,
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

    def __init__(self, status: int, detail: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail if isinstance(detail, str) else repr(detail))
        self.status, self.detail, self.headers = status, detail, headers


def not_found(kind: str, given: str) -> HTTPProblem:
    """Return the one answer for what is not there and for what is somebody else's."""
    return HTTPProblem(404, f"There is no {kind} {given!r}.")


def status_of(error: BaseException) -> int:
    """Return the HTTP status of an error of this package."""
    if isinstance(error, HTTPProblem):
        return error.status
    if isinstance(error, LimitReached) and error.retry_after_seconds:
        return 429
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def error_text(error: BaseException) -> str:
    """Return the text of an error for a client: the message of this package's errors, of others the kind alone."""
    return str(error) if isinstance(error, MemGPTError | HTTPProblem) else f"The server failed: {type(error).__name__}."


def headers_of(error: BaseException) -> Mapping[str, str] | None:
    """Return the headers of the answer to an error: when to try again, if time heals it."""
    if isinstance(error, HTTPProblem):
        return error.headers
    seconds = error.retry_after_seconds if isinstance(error, LimitReached) else None
    return {"retry-after": str(seconds)} if seconds else None


async def on_problem(request: Request, error: Exception) -> JSONResponse:
    """Answer with a problem."""
    problem = cast(HTTPProblem, error)
    return _answer(request, problem.detail, problem)


async def on_error(request: Request, error: Exception) -> JSONResponse:
    """Answer with an error of this package."""
    return _answer(request, error_text(error), error)


def _answer(request: Request, detail: Any, error: Exception) -> JSONResponse:
    """Return an error in Letta's form; OpenAI's clients find theirs beside it."""
    status = status_of(error)
    openai = {"error": {"message": str(detail), "type": type(error).__name__, "param": None, "code": status}}
    body = {"detail": detail, **(openai if request.url.path.endswith("/chat/completions") else {})}
    return JSONResponse(body, status, headers_of(error))


async def on_invalid(_: Request, error: Exception) -> JSONResponse:
    """Answer that a request does not fit its shape; without what was given, which may be no JSON."""
    found = [
        {"loc": list(one["loc"]), "msg": one["msg"], "type": one["type"]} for one in cast(RequestValidationError, error).errors()
    ]
    return JSONResponse({"detail": found}, 422)
