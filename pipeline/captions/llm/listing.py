"""Which models an endpoint offers: what can be asked of it without paying for an answer."""

from __future__ import annotations

from pipeline.captions.llm.endpoint import Endpoint
from pipeline.config import LlmCaptions, LlmRuntime

SECONDS = 10.0
"""An endpoint that takes longer to list its models is too slow to be asked for captions."""


def models_of_endpoint(settings: LlmCaptions, runtime: LlmRuntime) -> tuple[str, list[str] | None]:
    """The endpoint's address and the models that it lists; None where it answers and lists none.

    Raises ValueError and RuntimeError, in one line, where it is out of reach or refuses the key.
    """
    with Endpoint(settings, runtime) as endpoint:
        return endpoint.url, endpoint.models(SECONDS)
