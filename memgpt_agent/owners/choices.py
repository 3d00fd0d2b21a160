"""What a server's clients may choose: models of a list, and no files."""

from collections.abc import Iterable

from memgpt_agent.config import Settings
from memgpt_agent.errors import NotAllowed
from memgpt_agent.owners.identity import Identity

MODEL_FIELDS = ("model", "summarizer_model", "fallback_model")
"""The fields of a run's context that name a model."""


def check_model(who: Identity, named: Iterable[str], settings: Settings | None = None, unset: str = "") -> None:
    """Refuse models that a client names and that are not on the server's list (``Settings.allowed_models``).

    A model's name may be a file of the server's, and its tokens are paid for by the server's keys. ``*`` on the list is every model of a
    provider and no file.

    Args:
        who: who acts; the admin may choose every model.
        named: the models' names.
        settings: where the list is; the process's own if omitted.
        unset: what counts as the list if none is set.

    Raises:
        NotAllowed: one is not on the list; the message says what is.
    """
    from memgpt_agent.models.providers import parted

    wanted = [name for name in named if name]
    if not wanted or who.is_admin:
        return
    allowed = [name.strip() for name in ((settings or Settings.load()).allowed_models or unset).split(",") if name.strip()]
    named_here = {parted(name) for name in allowed}
    for name in wanted:
        provider, rest = parted(name)
        is_file = (provider == "local" and bool(rest)) or name.strip().lower().startswith("llamacpp")
        if (provider, rest) not in named_here and ("*" not in allowed or is_file):
            raise NotAllowed(f"You may not choose the model {name!r}. Those you may choose: {', '.join(allowed) or 'none'}.")
