#!/usr/bin/env python3
"""Judges access_tokens.json with joserfc, and the steps of README.md that a JOSE library leaves to its user.

Exits 0 where every verdict is the stated one, 1 where one is not, and 77 where joserfc is not installed.
"""

import base64
import json
import pathlib
import re
import sys
import warnings
import zlib

try:
    from joserfc import jws
    from joserfc.errors import JoseError
    from joserfc.jwk import KeySet
except ImportError:
    print("check_joserfc: SKIPPED: joserfc is not installed ('pip install joserfc')", file=sys.stderr)
    sys.exit(77)

ALGORITHMS = ["RS256", "PS256", "ES256", "ES384", "EdDSA"]
FORBIDDEN = {"b64", "crit", "enc", "jku", "jwk", "x5c", "x5u", "zip"}
LIMIT = 16 << 20


class Refused(Exception):
    """With the reason."""


def decode(part):
    if not re.fullmatch(r"[A-Za-z0-9_-]+", part):
        raise Refused("form")
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError as error:
        raise Refused("form") from error
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != part:
        raise Refused("form")
    return raw


def read_object(raw, reason):
    def distinct(pairs):
        if len(dict(pairs)) != len(pairs):
            raise Refused(reason)
        return dict(pairs)

    try:
        value = json.loads(raw, object_pairs_hook=distinct)
    except ValueError as error:
        raise Refused(reason) from error
    if not isinstance(value, dict):
        raise Refused(reason)
    return value


def is_date(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def signed_claims(token, keys, typ):
    """Steps 1 to 3: form, header, signature. The signature is joserfc's to judge."""
    parts = token.split(".")
    if len(parts) != 3:
        raise Refused("form")
    header = read_object([decode(part) for part in parts][0], "form")
    if FORBIDDEN & header.keys():
        raise Refused("header")
    stated = header.get("typ")
    if not isinstance(stated, str) or stated.lower().removeprefix("application/") != typ:
        raise Refused("type")
    if not isinstance(header.get("alg"), str) or not isinstance(header.get("kid"), str):
        raise Refused("header")
    if header["alg"] not in ALGORITHMS:
        raise Refused("algorithm")
    key = next((key for key in keys if key.kid == header["kid"]), None)
    if key is None:
        raise Refused("unknown-key")
    if key.alg != header["alg"]:
        raise Refused("algorithm")
    # joserfc refuses header members that it does not know; they mean nothing, so it is not shown them.
    registry = jws.JWSRegistry(algorithms=ALGORITHMS, strict_check_header=False)
    try:
        verified = jws.deserialize_compact(token, key, registry=registry)
    except (JoseError, ValueError) as error:
        raise Refused("signature") from error
    return read_object(verified.payload, "claims")


def judge_times(claims, now, leeway):
    for name in ("exp", "nbf", "iat"):
        if name in claims and not is_date(claims[name]):
            raise Refused("claims")
    if "exp" in claims and now >= claims["exp"] + leeway:
        raise Refused("expired")
    if "nbf" in claims and now + leeway < claims["nbf"]:
        raise Refused("not-yet-valid")
    if "iat" in claims and now + leeway < claims["iat"]:
        raise Refused("issued-in-future")


def entries(uri, vectors, keys):
    """Step 5: the verified list at the address, as bits an entry and bytes."""
    if not uri.startswith(vectors["issuer"] + "/status-lists/") or uri not in vectors["status_lists"]:
        raise Refused("status-list")
    try:
        claims = signed_claims(vectors["status_lists"][uri], keys, "statuslist+jwt")
        judge_times(claims, vectors["now"], 0)
        encoded = claims["status_list"]
        unpacker = zlib.decompressobj()
        unpacked = unpacker.decompress(decode(encoded["lst"]), LIMIT)
    except (Refused, KeyError, TypeError, zlib.error) as error:
        raise Refused("status-list") from error
    sound = claims.get("sub") == uri and claims.get("iss", vectors["issuer"]) == vectors["issuer"]
    if not sound or encoded["bits"] not in (1, 2, 4, 8) or not unpacker.eof or "iat" not in claims:
        raise Refused("status-list")
    return encoded["bits"], unpacked


def judge_status(claims, vectors, keys):
    status = claims.get("status")
    reference = status.get("status_list") if isinstance(status, dict) else None
    if reference is None:
        raise Refused("no-status")
    index, uri = reference.get("idx"), reference.get("uri")
    if not isinstance(index, int) or index < 0 or not isinstance(uri, str):
        raise Refused("claims")
    bits, unpacked = entries(uri, vectors, keys)
    byte, within = divmod(index, 8 // bits)
    if byte >= len(unpacked):
        raise Refused("status-index")
    value = unpacked[byte] >> (within * bits) & ((1 << bits) - 1)
    if value:
        raise Refused({1: "revoked", 2: "suspended"}.get(value, "status"))


def verify(case, vectors, keys):
    claims = signed_claims(case["token"], keys, "at+jwt")
    for name in ("iss", "sub", "jti", "client_id"):
        if not isinstance(claims.get(name), str):
            raise Refused("claims")
    audiences = claims.get("aud")
    if isinstance(audiences, str):
        audiences = [audiences]
    if not isinstance(audiences, list) or not all(isinstance(one, str) for one in audiences):
        raise Refused("claims")
    if not is_date(claims.get("exp")) or not is_date(claims.get("iat")):
        raise Refused("claims")
    if claims["iss"] != vectors["issuer"]:
        raise Refused("issuer")
    if vectors["audience"] not in audiences:
        raise Refused("audience")
    judge_times(claims, vectors["now"], case.get("leeway", 0))
    judge_status(claims, vectors, keys)


def main():
    # Of the name EdDSA (RFC 9864), which every issuer uses as yet.
    warnings.simplefilter("ignore")
    path = pathlib.Path(__file__).with_name("access_tokens.json")
    vectors = json.loads(path.read_text())
    keys = KeySet.import_key_set(vectors["jwks"]).keys
    wrong = 0
    for case in vectors["cases"]:
        try:
            verify(case, vectors, keys)
            verdict, reason = "accept", "good"
        except Refused as refused:
            verdict, reason = "refuse", str(refused)
        if (verdict, reason) != (case["verdict"], case["reason"]):
            wrong += 1
            print(f"{case['name']}: {verdict} ({reason}), expected {case['verdict']} ({case['reason']})")
    print(f"check_joserfc: {len(vectors['cases']) - wrong} of {len(vectors['cases'])} as expected")
    return 1 if wrong or not vectors["cases"] else 0


sys.exit(main())
