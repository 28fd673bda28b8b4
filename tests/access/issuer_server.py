"""An issuer of tokens, and a server of its keys that can misbehave."""

import http.server
import json
import queue
import threading

import jwt
from jwt.algorithms import RSAAlgorithm

from drayman.core.clock import SECOND

AUDIENCE = "https://tasks.example.com"


class IssuerServer:
    """An issuer: its keys over HTTP, and its tokens.

    Attributes:
        url: Its name, the "iss" of its tokens.
        content: What it answers for its keys; None to never answer.
        requests: The paths that were requested.
    """

    def __init__(self, private_keys):
        self._private_keys = private_keys
        self.requests = queue.SimpleQueue()
        self.released = threading.Event()
        self.content = self.jwks(0)
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.requests.put(self.path)
                if self.path == "/.well-known/openid-configuration":
                    content = {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"}
                elif (content := issuer.content) is None:
                    issuer.released.wait(30)
                    return
                body = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def jwks(self, *numbers):
        """Return the key set of some of its keys, by their numbers."""
        publics = [self._private_keys[number].public_key() for number in numbers]
        return {
            "keys": [
                RSAAlgorithm.to_jwk(public, as_dict=True)
                | {"kid": f"k{number}", "alg": "RS256", "use": "sig"}
                for number, public in zip(numbers, publics, strict=True)
            ]
        }

    def token(self, now, number=0, **changes):
        """Return a token of an hour; a claim of None is left out."""
        content = {
            "iss": self.url,
            "aud": AUDIENCE,
            "sub": "1234",
            "email": "ann@example.com",
            "email_verified": True,
            "iat": now // SECOND,
            "exp": now // SECOND + 3600,
        } | changes
        content = {name: value for name, value in content.items() if value is not None}
        key = self._private_keys[number]
        return jwt.encode(content, key, algorithm="RS256", headers={"kid": f"k{number}"})

    def stop(self):
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(30)
