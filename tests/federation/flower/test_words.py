"""What keeps a site from its aggregator, in words that say what to do."""

from __future__ import annotations

import httpx
import pytest

from wardround.federation.flower import settings

settings.ensure()

from wardround.federation.flower.node.node import _describe  # noqa: E402 - Flower reads its settings at import

REQUEST = httpx.Request("POST", "https://aggregator:9092/")


@pytest.mark.parametrize("status", [300, 400, 403, 404, 405, 407, 408, 411, 413, 429, 500, 502, 503, 504, 599])
def test_any_status_that_is_no_refusal_of_the_link_is_explained(status: int) -> None:
    error = httpx.HTTPStatusError("", request=REQUEST, response=httpx.Response(status, request=REQUEST))
    words, found = _describe(error, "aggregator:9092")
    assert found == status
    assert words.startswith(f"http {status}: ")
    assert len(words.split()) > 8
    assert "tried again" in words or "check the address" in words or status in (408, 413)


@pytest.mark.parametrize(
    "error", [httpx.ReadTimeout(""), httpx.WriteTimeout(""), httpx.PoolTimeout(""), httpx.RemoteProtocolError("")]
)
def test_a_line_that_stalls_or_breaks_is_explained(error: httpx.HTTPError) -> None:
    words, status = _describe(error, "aggregator:9092")
    assert status is None
    assert "tried again by itself" in words
