"""The password grant, a call to the API, refresh, introspection and revocation, with requests-oauthlib.

Needs ISSUER, CLIENT_ID, CLIENT_SECRET, USERNAME and PASSWORD in the environment. CA_FILE is the certificate authority
to trust (PEM), API_URL a resource that a token with scope `read` may be used for; both may be absent.
The exit status is 0 only if every answer was the expected one.
"""

import os
import sys

import requests
from oauthlib.oauth2 import InvalidGrantError, LegacyApplicationClient
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

ISSUER = os.environ["ISSUER"]
CLIENT_ID = os.environ["CLIENT_ID"]
CREDENTIALS = HTTPBasicAuth(CLIENT_ID, os.environ["CLIENT_SECRET"])
API_URL = os.environ.get("API_URL")
VERIFY = os.environ.get("CA_FILE") or True
TIMEOUT = 30


def expect(holds, what):
    if not holds:
        sys.exit(f"python: {what}")


def metadata():
    answer = requests.get(f"{ISSUER}/.well-known/oauth-authorization-server", verify=VERIFY, timeout=TIMEOUT)
    answer.raise_for_status()
    document = answer.json()
    expect(document["issuer"] == ISSUER, "the metadata is another issuer's")
    return document


def post(endpoint, **form):
    """A form, sent by the client."""
    answer = requests.post(endpoint, data=form, auth=CREDENTIALS, verify=VERIFY, timeout=TIMEOUT)
    answer.raise_for_status()
    return answer.json()


def main():
    endpoints = metadata()
    sending = {"auth": CREDENTIALS, "verify": VERIFY, "timeout": TIMEOUT}

    session = OAuth2Session(client=LegacyApplicationClient(client_id=CLIENT_ID))
    token = session.fetch_token(
        endpoints["token_endpoint"],
        username=os.environ["USERNAME"],
        password=os.environ["PASSWORD"],
        **sending,
    )
    print("python: password grant: an access token and a refresh token")

    if API_URL:
        anonymous = requests.get(API_URL, verify=VERIFY, timeout=TIMEOUT)
        expect(anonymous.status_code == 401, f"the API without a token: {anonymous.status_code}")
        # Over https, `session.get(API_URL)` does the same; it refuses the example API, which speaks plain http.
        bearer = {"Authorization": f"Bearer {token['access_token']}"}
        answer = requests.get(API_URL, headers=bearer, verify=VERIFY, timeout=TIMEOUT)
        expect(answer.status_code == 200, f"the API: {answer.status_code}")
        print(f"python: the API answers: {answer.text}")

    refreshed = session.refresh_token(endpoints["token_endpoint"], **sending)
    # Keep the new one: the old refresh token is used up.
    expect(refreshed["refresh_token"] != token["refresh_token"], "the refresh token was not replaced")
    print("python: refresh: new tokens; the old refresh token is used up")

    introspected = post(endpoints["introspection_endpoint"], token=refreshed["access_token"])
    expect(introspected["active"] is True, f"introspection: {introspected}")
    print(f"python: introspection: active, for {introspected['aud']}, scope {introspected['scope']}")

    post(endpoints["revocation_endpoint"], token=refreshed["refresh_token"])
    introspected = post(endpoints["introspection_endpoint"], token=refreshed["access_token"])
    expect(introspected == {"active": False}, f"introspection after revocation: {introspected}")
    try:
        session.refresh_token(endpoints["token_endpoint"], **sending)
    except InvalidGrantError:
        print("python: revocation: both tokens are inactive")
    else:
        sys.exit("python: a revoked refresh token was accepted")


if __name__ == "__main__":
    main()
