"""A real OpenID provider on loopback that says what a test tells it to, also what no honest one would."""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings

Claims = dict[str, Any]


def new_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


_KEY = new_key()


@dataclass
class Person:
    """What the provider says about who is signed in there, in the id token and at the userinfo endpoint."""

    subject: str
    claims: Claims = field(default_factory=dict)
    userinfo: Claims | None = None


@dataclass
class Issuer:
    """One issuer, `http://127.0.0.1:<port>/<path>`. Each field may be turned against us."""

    url: str
    person: Person = field(default_factory=lambda: Person("somebody"))
    key: rsa.RSAPrivateKey = field(default_factory=lambda: _KEY)
    clients: dict[str, str] = field(default_factory=dict)  # id → secret; empty: any
    metadata: Claims = field(default_factory=dict)  # replaces what discovery says
    forge: Callable[[Claims], str] | None = None  # makes the id token itself
    refuses: str = ""  # the error with which it sends people back
    asked: list[dict[str, str]] = field(default_factory=list)  # every authorization request
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def document(self) -> Claims:
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "userinfo_endpoint": f"{self.url}/userinfo",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
            **self.metadata,
        }

    def keys(self) -> Claims:
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**public, "kid": "one", "use": "sig", "alg": "RS256"}]}

    def authorize(self, asked: dict[str, str]) -> str:
        """Give the address that the browser is sent back to."""
        self.asked.append(asked)
        if self.refuses:
            return f"{asked['redirect_uri']}?{urlencode({'error': self.refuses, 'state': asked['state']})}"
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state']})}"

    def trade(self, form: dict[str, str]) -> tuple[int, Claims]:
        known = self.clients.get(form.get("client_id", ""))
        if self.clients and known != form.get("client_secret"):
            return 401, {"error": "invalid_client"}
        asked = self.codes.pop(form.get("code", ""), None)
        if asked is None or asked["redirect_uri"] != form.get("redirect_uri"):
            return 400, {"error": "invalid_grant"}
        proof = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(proof).rstrip(b"=").decode() != asked.get("code_challenge"):
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.url,
            "sub": self.person.subject,
            "aud": asked["client_id"],
            "iat": now,
            "exp": now + 300,
            "nonce": asked.get("nonce", ""),
            **({"auth_time": now} if "max_age" in asked else {}),
            **self.person.claims,
        }
        claims = {name: value for name, value in claims.items() if value is not ...}
        token = self.forge(claims) if self.forge else self.sign(claims)
        return 200, {"access_token": "at", "token_type": "Bearer", "id_token": token, "expires_in": 300}

    def sign(
        self, claims: Claims, *, key: Any = None, algorithm: str = "RS256", kid: str | None = "one"
    ) -> str:
        headers = {"kid": kid} if kid else {}
        return jwt.encode(claims, key or self.key, algorithm=algorithm, headers=headers)


class OpenIDServer:
    """Serves any number of issuers on one port of loopback."""

    def __init__(self, port: int) -> None:
        self._issuers: dict[str, Issuer] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self._issuers))
        self._thread = threading.Thread(target=self._server.serve_forever, name="openid", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def issuer(self, path: str) -> Issuer:
        """Give a new issuer at this path, replacing an earlier one."""
        made = self._issuers[path] = Issuer(f"{settings.OPENID_ORIGIN}/{path}")
        return made


def _handler(issuers: dict[str, Issuer]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            address = urlsplit(self.path)
            path, issuer = next(
                ((path, one) for path, one in issuers.items() if address.path.startswith(f"/{path}/")),
                ("", None),
            )
            if issuer is None:
                self._say(404, {})
                return
            asked = {name: values[0] for name, values in parse_qs(address.query).items()}
            match address.path.removeprefix(f"/{path}"):
                case "/.well-known/openid-configuration":
                    self._say(200, issuer.document())
                case "/keys":
                    self._say(200, issuer.keys())
                case "/authorize":
                    self.send_response(302)
                    self.send_header("Location", issuer.authorize(asked))
                    self.end_headers()
                case "/token":
                    body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                    self._say(*issuer.trade({name: values[0] for name, values in parse_qs(body).items()}))
                case "/userinfo":
                    person = issuer.person
                    said = {"sub": person.subject} if person.userinfo is None else person.userinfo
                    self._say(200, said)
                case _:
                    self._say(404, {})

        def _say(self, status: int, body: Claims) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    return Handler
