"""What the schemas share: requests and responses may hold fields that we do not know."""

from typing import Any

from pydantic import BaseModel, ConfigDict

Data = dict[str, Any]


class RequestBody(BaseModel):
    """A request. Unknown fields are ignored, since clients may be older or newer than this server."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())

    def given(self) -> Data:
        """Return the fields that the client sent."""
        return self.model_dump(exclude_unset=True)


class ResponseBody(BaseModel):
    """An answer; fields beside those that are declared are handed on."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())
