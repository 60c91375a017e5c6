"""A provider of sign-in by OpenID Connect, on loopback: it lets everybody in."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlencode, urlsplit

import orjson
from joserfc import jwt
from joserfc.jwk import RSAKey

CLIENT = "earshot"


def write_secrets(home: Path, provider: str, console: str) -> None:
    """Write what a user's home holds of sign-in."""
    folder = home / ".streamlit"
    folder.mkdir()
    (folder / "secrets.toml").write_text(
        f"""
        [auth]
        redirect_uri = "{console}/oauth2callback"
        cookie_secret = "a text for a test of at least so many characters"
        client_id = "{CLIENT}"
        client_secret = "none"
        server_metadata_url = "{provider}/.well-known/openid-configuration"
        """
    )


class _Request(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        if parts.path == "/authorize":
            self.server.nonce = asked.get("nonce")
            answer = urlencode({"code": "1", "state": asked["state"]})
            self.send_response(302)
            self.send_header("Location", f"{asked['redirect_uri']}?{answer}")
            self.end_headers()
        elif parts.path == "/keys":
            self._json({"keys": [self.server.key.as_dict(private=False)]})
        else:
            self._json(self.server.metadata())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        token = {"access_token": "1", "token_type": "Bearer", "expires_in": 3600}
        self._json({**token, "id_token": self.server.id_token()})

    def _json(self, value: dict[str, Any]) -> None:
        body = orjson.dumps(value)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: a test's output is its own."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, email: str) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.email, self.nonce = email, None
        self.key = RSAKey.generate_key(2048, auto_kid=True)
        self.url = f"http://127.0.0.1:{self.server_port}"

    nonce: str | None

    def metadata(self) -> dict[str, Any]:
        """Return what a client learns of the provider."""
        return {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    def id_token(self) -> str:
        """Return who signed in, signed."""
        now = int(time.time())
        claims = {
            **{"iss": self.url, "sub": self.email, "aud": CLIENT},
            **{"iat": now, "exp": now + 3600, "nonce": self.nonce},
            **{"email": self.email, "email_verified": True},
        }
        header = {"alg": "RS256", "kid": self.key.kid}
        return jwt.encode(header, claims, self.key)


class Provider:
    """Says of everybody who comes that they own an address."""

    def __init__(self, email: str) -> None:
        self._server = _Server(email)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}
        )

    @property
    def url(self) -> str:
        """Where it is."""
        return self._server.url

    @property
    def email(self) -> str:
        """Whose address it is."""
        return self._server.email

    @email.setter
    def email(self, email: str) -> None:
        self._server.email = email

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
