// The password grant, a call to the API, refresh, introspection and revocation, with openid-client.
//
// Needs ISSUER, CLIENT_ID, CLIENT_SECRET, USERNAME and PASSWORD in the environment. CA_FILE is the certificate
// authority to trust (PEM), API_URL a resource that a token with scope `read` may be used for; both may be absent.
// The exit status is 0 only if every answer was the expected one.

import * as oauth from "openid-client";

const { ISSUER, CLIENT_ID, CLIENT_SECRET, USERNAME, PASSWORD, CA_FILE, API_URL, NODE_EXTRA_CA_CERTS } = process.env;

function expect(holds, what) {
  if (!holds) throw new Error(what);
}

// Node reads this variable once, before the program begins.
expect(!CA_FILE || NODE_EXTRA_CA_CERTS === CA_FILE, "with CA_FILE, set NODE_EXTRA_CA_CERTS to the same file");

const config = await oauth.discovery(
  new URL(ISSUER),
  CLIENT_ID,
  undefined,
  oauth.ClientSecretBasic(CLIENT_SECRET),
  { algorithm: "oauth2" }, // metadata of RFC 8414, which the answer's issuer is compared with
);

const first = await oauth.genericGrantRequest(config, "password", { username: USERNAME, password: PASSWORD });
expect(first.refresh_token, "the password grant gave no refresh token");
console.log("javascript: password grant: an access token and a refresh token");

if (API_URL) {
  const anonymous = await fetch(API_URL);
  expect(anonymous.status === 401, `the API without a token: ${anonymous.status}`);
  const answer = await fetch(API_URL, { headers: { authorization: `Bearer ${first.access_token}` } });
  expect(answer.status === 200, `the API: ${answer.status}`);
  console.log(`javascript: the API answers: ${await answer.text()}`);
}

const second = await oauth.refreshTokenGrant(config, first.refresh_token);
// Keep the new one: the old refresh token is used up.
expect(second.refresh_token !== first.refresh_token, "the refresh token was not replaced");
console.log("javascript: refresh: new tokens; the old refresh token is used up");

const introspected = await oauth.tokenIntrospection(config, second.access_token);
expect(introspected.active, "introspection: inactive");
console.log(`javascript: introspection: active, for ${introspected.aud}, scope ${introspected.scope}`);

await oauth.tokenRevocation(config, second.refresh_token);
const afterwards = await oauth.tokenIntrospection(config, second.access_token);
expect(!afterwards.active, "introspection after revocation: active");
const refused = await oauth.refreshTokenGrant(config, second.refresh_token).then(
  () => "accepted",
  (error) => error.error,
);
expect(refused === "invalid_grant", `refresh after revocation: ${refused}`);
console.log("javascript: revocation: both tokens are inactive");
