"""A receiver of security events that are pushed (RFC 8935): verifies each token and prints it.

    pip install joserfc
    ISSUER=https://auth.example.com ENDPOINT=https://siem.example/events AUTHORIZATION='Bearer …' python3 receiver.py 8080

ENDPOINT is the webhook's endpoint, character by character: the `aud` of its tokens. TLS ends in a proxy before this server.
"""

import hmac
import json
import os
import sys
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

ISSUER, ENDPOINT = os.environ["ISSUER"], os.environ["ENDPOINT"]
AUTHORIZATION = os.environ.get("AUTHORIZATION", "")
LARGEST = 64 * 1024


class Refused(Exception):
    """A code of RFC 8935 section 2.4, and words."""


def published_keys():
    with urllib.request.urlopen(f"{ISSUER}/.well-known/jwks.json", timeout=10) as answer:
        return KeySet.import_key_set(json.load(answer))


class Verifier:
    def __init__(self):
        self.keys = published_keys()
        # Keep these where they outlive the process, for eleven days at least: an event is tried for three days, and an
        # administrator may send what arrived again for seven more.
        self.seen = set()

    def verify(self, token):
        """The claims, or None where this event was here before."""
        try:
            claims = json.loads(self.signed(token))
        except (JoseError, ValueError) as error:
            raise Refused("invalid_key", f"the signature does not hold: {error}") from error
        if claims.get("iss") != ISSUER:
            raise Refused("invalid_issuer", "another issuer's")
        if claims.get("aud") != ENDPOINT:
            raise Refused("invalid_audience", "meant for somebody else")
        if not isinstance(claims.get("events"), dict) or not claims.get("jti"):
            raise Refused("invalid_request", "it is no security event token")
        if claims["jti"] in self.seen:
            return None
        self.seen.add(claims["jti"])
        return claims

    def signed(self, token):
        header = jws.extract_compact(token).headers()
        # Exactly this type, so that no access token of the same issuer passes for an event (RFC 8417 section 4).
        if header.get("typ") != "secevent+jwt":
            raise Refused("invalid_request", "typ is not secevent+jwt")
        if header.get("kid") not in [key.kid for key in self.keys]:
            self.keys = published_keys()  # The issuer rotates its keys.
        return jws.deserialize_compact(token, self.keys, algorithms=["ES256"]).payload


class Receiver(BaseHTTPRequestHandler):
    verifier = Verifier()

    def do_POST(self):
        length = int(self.headers.get("content-length", 0))
        if not 0 < length <= LARGEST or self.headers.get("content-type") != "application/secevent+jwt":
            return self.answer(400, {"err": "invalid_request", "description": "no security event token"})
        token = self.rfile.read(length)
        if not hmac.compare_digest(self.headers.get("authorization", ""), AUTHORIZATION):
            return self.answer(400, {"err": "authentication_failed", "description": "who are you?"})
        try:
            claims = self.verifier.verify(token)
        except Refused as refused:
            err, description = refused.args
            return self.answer(400, {"err": err, "description": description})
        if claims:
            # First keep the event somewhere safe, then answer: after 202 it does not come again.
            print(json.dumps(claims), flush=True)
        return self.answer(202)

    def answer(self, status, body=None):
        text = json.dumps(body).encode() if body else b""
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        """Tokens are not secret, but the log is for what was verified."""


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver).serve_forever()
