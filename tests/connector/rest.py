"""How tests speak to the REST API."""

from typing import Any

import httpx2


def call(
    http: httpx2.Client, key: str, method: str, path: str, body: Any = None, slug: str = "acme"
) -> httpx2.Response:
    return http.request(
        method, f"/{slug}/api/v1/{path}", headers={"Authorization": f"Bearer {key}"}, json=body
    )


def code_of(answer: httpx2.Response) -> tuple[int, str]:
    """Give status and code of a refusal, which must say something to people too."""
    error = answer.json()["error"]
    assert error.keys() == {"code", "message"}
    assert len(error["message"]) > 15
    return answer.status_code, error["code"]
