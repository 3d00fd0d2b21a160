"""Models, embeddings and tags."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from memgpt_agent.models import default_model_name
from memgpt_agent.server import letta_agents, letta_models
from memgpt_agent.server.guards import SLASH
from memgpt_agent.server.ids import Paged, cut
from memgpt_agent.server.routes import chat_completions
from memgpt_agent.server.serving import Serving
from memgpt_agent.server.shapes.base import Data

router = APIRouter(prefix="/v1", tags=["models"])
_EXAMPLES = ("openai/gpt-5.4-mini", "openai/gpt-4.1", "openai/gpt-4o-mini", "anthropic/claude-sonnet-5", "google_ai/gemini-3-pro-preview")
"""Models that are named if nobody asks a provider; any other that is named works as well."""


@router.get("/models", response_model=None, summary="List models")
def list_models(served: Serving, request: Request, provider_name: Annotated[str | None, Query(title="Provider")] = None) -> Any:
    """Return the default model, those that agents use, and a few more; any model that is named as provider/name can be given.

    Without a slash at the path's end, and to a client that is not Letta's, the agents are returned as OpenAI's list of models.
    """
    if not (request.scope.get(SLASH) or provider_name or "letta" in request.headers.get("user-agent", "").casefold()):
        return chat_completions.openai_models(served)
    used = [letta_models.model_of(one, served.agents.settings) for one in served.agents.every()]
    default = letta_models.handle_of(default_model_name(served.agents.settings))
    handles = dict.fromkeys([default, *used, *_EXAMPLES])
    found = [_letta_model(handle) for handle in handles]
    return [one for one in found if provider_name is None or one["provider_name"] == provider_name]


def _letta_model(handle: str) -> Data:
    described = letta_models.llm_config(handle, letta_models.MAX_WINDOW, letta_models.model_settings(handle, None))
    kind = letta_models.provider_of(handle)
    provider = {"llamacpp": "ollama"}.get(kind, kind)
    return {
        **described, "name": described["model"], "display_name": described["model"], "provider_type": provider,
        "max_context_window": letta_models.MAX_WINDOW, "model_type": "llm",
    }  # fmt: skip


@router.get("/models/embedding", response_model=list[Data], summary="List embeddings")
@router.get("/models/embeddings", response_model=list[Data], summary="List embeddings", include_in_schema=False)
def list_embeddings(served: Serving) -> Any:
    """Return the embedding that the data folder was made with; it does the work, whatever a client names."""
    used = letta_agents.embedding(served.agents)
    provider = used["embedding_endpoint_type"]
    return [{
        **used, "name": used["embedding_model"], "display_name": used["embedding_model"], "provider_name": provider, "provider_type": provider,
        "model_type": "embedding",
    }]  # fmt: skip


@router.get("/tags", response_model=list[str], summary="List tags")
def list_tags(
    served: Serving, page: Paged, name: Annotated[str | None, Query(title="Part of the name")] = None,
    query_text: Annotated[str | None, Query(title="Part of the name, older form")] = None,
) -> Any:  # fmt: skip
    """Return the tags of all agents, in the order of the alphabet."""
    words = (name or query_text or "").casefold()
    found = sorted({tag for one in served.agents.every() for tag in one.tags if words in tag.casefold()})
    return cut(found, page, lambda one: one, newest_first=False)
