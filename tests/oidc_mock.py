"""`oidc-provider-mock` on loopback: an OpenID provider that nobody here wrote, as an organization brings its own."""

import logging
import threading
import warnings
from types import TracebackType
from typing import Any

import authlib.deprecate  # noqa: F401 its own filter would come before ours
import flask
import httpx2
from werkzeug.serving import make_server

with warnings.catch_warnings():  # of what the mock itself uses
    warnings.simplefilter("ignore")
    import oidc_provider_mock

logging.getLogger("werkzeug").setLevel(logging.WARNING)  # else every request is a line


class Provider:
    """A provider that registers clients as RFC 7591 says, and lets a person be whoever they type."""

    def __init__(self) -> None:
        self._app = oidc_provider_mock.app(require_client_registration=True)
        self._app.after_request(self._say_more)
        self._server = make_server("localhost", 0, self._app, threaded=True)
        self._thread = threading.Thread(target=self._server.serve_forever, name="oidc-mock", daemon=True)
        self._later: dict[str, dict[str, Any]] = {}
        self.issuer = f"http://localhost:{self._server.server_port}"

    def __enter__(self) -> "Provider":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def register(self, redirect_url: str) -> tuple[str, str]:
        """Register an application, and give its client id and secret."""
        asked = {"redirect_uris": [redirect_url]}
        told = httpx2.post(f"{self.issuer}/oauth2/clients", json=asked, trust_env=False, timeout=20).json()
        return told["client_id"], told["client_secret"]

    def know(self, subject: str, **claims: Any) -> None:
        """Say this of a person."""
        httpx2.put(f"{self.issuer}/users/{subject}", json=claims, trust_env=False).raise_for_status()

    def know_at_userinfo(self, subject: str, **claims: Any) -> None:
        """Say this of a person as soon as the tokens are out, so at userinfo only: Okta's id tokens are as thin."""
        self._later[subject] = claims

    def _say_more(self, response: flask.Response) -> flask.Response:
        if flask.request.path == "/oauth2/token":
            for subject, claims in self._later.items():
                self.know(subject, **claims)
        return response
