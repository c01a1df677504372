#!/usr/bin/env node
// Judges access_tokens.json with the npm package jose, and the steps of README.md that a JOSE library leaves to its user.
//
// Exits 0 where every verdict is the stated one, 1 where one is not, and 77 where jose is not installed.

import { readFileSync } from 'node:fs';
import { inflateSync } from 'node:zlib';

let jose;
try {
  jose = await import('jose');
} catch (error) {
  if (error.code !== 'ERR_MODULE_NOT_FOUND') throw error;
  console.error("check_jose: SKIPPED: the npm package jose is not installed ('npm install jose' beside this file)");
  process.exit(77);
}

const ALGORITHMS = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'];
const FORBIDDEN = ['b64', 'crit', 'enc', 'jku', 'jwk', 'x5c', 'x5u', 'zip'];
const LIMIT = 16 << 20;

class Refused extends Error {}

const refuse = (reason) => {
  throw new Refused(reason);
};

function decode(part) {
  const raw = Buffer.from(part, 'base64url');
  if (part === '' || raw.toString('base64url') !== part) refuse('form');
  return raw;
}

// JSON.parse keeps the last of two members of a name, so they are looked for by hand: within each object, the strings
// that stand before a colon.
function hasRepeatedMember(json) {
  const open = [];
  for (const [token] of json.matchAll(/"(?:[^"\\]|\\.)*"\s*:?|[{}[\]]/g)) {
    if (token === '{' || token === '[') open.push(new Set());
    else if (token === '}' || token === ']') open.pop();
    else if (token.endsWith(':')) {
      const name = JSON.parse(token.slice(0, -1));
      if (open.at(-1).has(name)) return true;
      open.at(-1).add(name);
    }
  }
  return false;
}

function readObject(raw, reason) {
  const json = raw.toString('utf8');
  let value;
  try {
    value = JSON.parse(json);
  } catch {
    refuse(reason);
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) refuse(reason);
  if (hasRepeatedMember(json)) refuse(reason);
  return value;
}

// Steps 1 to 3: form, header, signature. The signature is jose's to judge.
async function signedClaims(token, keys, typ) {
  const parts = token.split('.');
  if (parts.length !== 3) refuse('form');
  const header = readObject(parts.map(decode)[0], 'form');
  if (FORBIDDEN.some((name) => name in header)) refuse('header');
  if (typeof header.typ !== 'string') refuse('type');
  if (header.typ.toLowerCase().replace(/^application\//, '') !== typ) refuse('type');
  if (typeof header.alg !== 'string' || typeof header.kid !== 'string') refuse('header');
  if (!ALGORITHMS.includes(header.alg)) refuse('algorithm');
  const jwk = keys.find((key) => key.kid === header.kid) ?? refuse('unknown-key');
  if (jwk.alg !== header.alg) refuse('algorithm');
  let verified;
  try {
    verified = await jose.compactVerify(token, await jose.importJWK(jwk), { algorithms: [jwk.alg] });
  } catch (error) {
    if (error instanceof jose.errors.JOSEError) refuse('signature');
    throw error;
  }
  return readObject(Buffer.from(verified.payload), 'claims');
}

function judgeTimes(claims, now, leeway) {
  for (const name of ['exp', 'nbf', 'iat']) {
    if (name in claims && typeof claims[name] !== 'number') refuse('claims');
  }
  if ('exp' in claims && now >= claims.exp + leeway) refuse('expired');
  if ('nbf' in claims && now + leeway < claims.nbf) refuse('not-yet-valid');
  if ('iat' in claims && now + leeway < claims.iat) refuse('issued-in-future');
}

// Step 5: the verified list at the address.
async function entries(uri, vectors, keys) {
  if (!uri.startsWith(`${vectors.issuer}/status-lists/`)) refuse('status-list');
  const token = vectors.status_lists[uri] ?? refuse('status-list');
  let claims;
  try {
    claims = await signedClaims(token, keys, 'statuslist+jwt');
    judgeTimes(claims, vectors.now, 0);
  } catch (error) {
    if (error instanceof Refused) refuse('status-list');
    throw error;
  }
  const { bits, lst } = claims.status_list ?? refuse('status-list');
  const isSound = claims.sub === uri && (claims.iss ?? vectors.issuer) === vectors.issuer && 'iat' in claims;
  if (!isSound || ![1, 2, 4, 8].includes(bits)) refuse('status-list');
  try {
    return { bits, unpacked: inflateSync(decode(lst), { maxOutputLength: LIMIT }) };
  } catch {
    return refuse('status-list');
  }
}

async function judgeStatus(claims, vectors, keys) {
  const reference = claims.status?.status_list ?? refuse('no-status');
  const { idx, uri } = reference;
  if (!Number.isSafeInteger(idx) || idx < 0 || typeof uri !== 'string') refuse('claims');
  const { bits, unpacked } = await entries(uri, vectors, keys);
  const perByte = 8 / bits;
  const byte = unpacked[Math.floor(idx / perByte)] ?? refuse('status-index');
  const value = (byte >> ((idx % perByte) * bits)) & ((1 << bits) - 1);
  if (value !== 0) refuse({ 1: 'revoked', 2: 'suspended' }[value] ?? 'status');
}

async function verify(test, vectors, keys) {
  const claims = await signedClaims(test.token, keys, 'at+jwt');
  for (const name of ['iss', 'sub', 'jti', 'client_id']) {
    if (typeof claims[name] !== 'string') refuse('claims');
  }
  const audiences = Array.isArray(claims.aud) ? claims.aud : [claims.aud];
  if (!audiences.every((audience) => typeof audience === 'string')) refuse('claims');
  if (typeof claims.exp !== 'number' || typeof claims.iat !== 'number') refuse('claims');
  if (claims.iss !== vectors.issuer) refuse('issuer');
  if (!audiences.includes(vectors.audience)) refuse('audience');
  judgeTimes(claims, vectors.now, test.leeway ?? 0);
  await judgeStatus(claims, vectors, keys);
}

const vectors = JSON.parse(readFileSync(new URL('access_tokens.json', import.meta.url), 'utf8'));
let wrong = 0;
for (const test of vectors.cases) {
  let outcome = ['accept', 'good'];
  try {
    await verify(test, vectors, vectors.jwks.keys);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    outcome = ['refuse', error.message];
  }
  if (outcome[0] !== test.verdict || outcome[1] !== test.reason) {
    wrong += 1;
    console.log(`${test.name}: ${outcome.join(' ')}, expected ${test.verdict} ${test.reason}`);
  }
}
console.log(`check_jose: ${vectors.cases.length - wrong} of ${vectors.cases.length} as expected`);
process.exit(wrong > 0 || vectors.cases.length === 0 ? 1 : 0);
