//! The cases, each a token and the verdict that a verifier should come to.

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use crate::list_uri;
use crate::support::{AUDIENCE, ISSUER, NOW, Signer, claims as usual, encode, with};

pub struct Case {
    name: String,
    token: String,
    /// Why it is refused.
    refused: Option<&'static str>,
    leeway: i64,
}

impl Case {
    pub fn into_json(self) -> Value {
        let mut case = json!({
            "name": self.name, "token": self.token,
            "verdict": if self.refused.is_none() { "accept" } else { "refuse" },
            "reason": self.refused.unwrap_or("good"),
        });
        if self.leeway != 0 {
            case["leeway"] = self.leeway.into();
        }
        case
    }
}

fn good(name: impl Into<String>, token: String) -> Case {
    Case { name: name.into(), token, refused: None, leeway: 0 }
}

fn bad(name: impl Into<String>, token: String, reason: &'static str) -> Case {
    Case { name: name.into(), token, refused: Some(reason), leeway: 0 }
}

/// Of an entry of list 1 that is valid.
fn claims_of_valid() -> Value {
    with(usual(ISSUER, NOW - 60, 0), json!({"status": {"status_list": {"idx": 0, "uri": list_uri(1)}}}))
}

fn changed(signer: &Signer, changes: Value) -> String {
    signer.access_token(&with(claims_of_valid(), changes))
}

fn headed(signer: &Signer, changes: Value) -> String {
    signer.sign(&with(signer.header("at+jwt"), changes).to_string(), &claims_of_valid().to_string())
}

/// Of one algorithm: good, and tampered with.
pub fn signature(signer: &Signer, other: &Signer) -> Vec<Case> {
    let alg = signer.algorithm.as_str();
    let token = changed(signer, json!({}));
    let [header, payload, signature] = *token.split('.').collect::<Vec<_>>() else { panic!("three parts") };
    let mut bytes = signer.signature(format!("{header}.{payload}").as_bytes());
    bytes[9] ^= 1;
    let flipped = encode(&bytes);
    let elevated = encode(with(claims_of_valid(), json!({"scope": "admin"})).to_string());
    let under = |kid: &str, alg: &str| headed(signer, json!({"kid": kid, "alg": alg}));
    let mut cases = vec![
        good(format!("{alg}: good"), token.clone()),
        bad(format!("{alg}: a bit of the signature is flipped"), format!("{header}.{payload}.{flipped}"), "signature"),
        bad(format!("{alg}: the payload is exchanged"), format!("{header}.{elevated}.{signature}"), "signature"),
        bad(
            format!("{alg}: the signature is cut short"),
            format!("{header}.{payload}.{}", encode(&bytes[..32])),
            "signature",
        ),
        bad(format!("{alg}: the kid is unknown"), under("unknown", alg), "unknown-key"),
        bad(format!("{alg}: the kid is another key's"), under(&other.kid, alg), "algorithm"),
        bad(format!("{alg}: kid and alg are another key's"), under(&other.kid, other.algorithm.as_str()), "signature"),
        bad(
            format!("{alg}: alg none, without a signature"),
            {
                let header = with(signer.header("at+jwt"), json!({"alg": "none"})).to_string();
                format!("{}.{payload}.", encode(header))
            },
            "form",
        ),
        bad(format!("{alg}: alg none, with the signature"), headed(signer, json!({"alg": "none"})), "algorithm"),
    ];
    if bytes.len() == 64 {
        let zero = encode([0; 64]);
        cases.push(bad(format!("{alg}: a signature of zeros"), format!("{header}.{payload}.{zero}"), "signature"));
    }
    cases
}

pub fn form(signer: &Signer) -> Vec<Case> {
    let token = changed(signer, json!({}));
    let [header, payload, signature] = *token.split('.').collect::<Vec<_>>() else { panic!("three parts") };
    vec![
        bad("two parts", format!("{header}.{payload}"), "form"),
        bad("four parts", format!("{token}.{signature}"), "form"),
        bad("an empty signature", format!("{header}.{payload}."), "form"),
        bad("an empty payload", format!("{header}..{signature}"), "form"),
        bad("nothing", String::new(), "form"),
        bad("padding after the signature", format!("{token}=="), "form"),
        bad("padding within the header", format!("{header}=.{payload}.{signature}"), "form"),
        bad("a blank before it", format!(" {token}"), "form"),
        bad("a line feed after it", format!("{token}\n"), "form"),
        bad("a header that is no JSON", signer.sign("{", &claims_of_valid().to_string()), "form"),
        bad("a payload that is no JSON", signer.sign(&signer.header("at+jwt").to_string(), "{"), "claims"),
        bad("a payload that is no object", signer.sign(&signer.header("at+jwt").to_string(), "[]"), "claims"),
    ]
}

pub fn header(signer: &Signer) -> Vec<Case> {
    let mut cases = vec![
        good("typ with application/", headed(signer, json!({"typ": "application/at+jwt"}))),
        good("typ in capitals", headed(signer, json!({"typ": "AT+JWT"}))),
        good("an unknown header member", headed(signer, json!({"x-note": "hello"}))),
        bad("typ JWT", headed(signer, json!({"typ": "JWT"})), "type"),
        bad("typ of a status list", headed(signer, json!({"typ": "statuslist+jwt"})), "type"),
        bad("no typ", headed(signer, json!({"typ": null})), "type"),
        bad("no kid", headed(signer, json!({"kid": null})), "header"),
        bad("no alg", headed(signer, json!({"alg": null})), "header"),
        bad("alg in small letters", headed(signer, json!({"alg": "es256"})), "algorithm"),
        bad("crit with an unknown extension", headed(signer, json!({"crit": ["x-new"], "x-new": true})), "header"),
        bad("crit and b64", headed(signer, json!({"crit": ["b64"], "b64": false})), "header"),
        bad("an empty crit", headed(signer, json!({"crit": []})), "header"),
    ];
    let own = Signer::generate(signer.algorithm, &signer.kid);
    let offers = json!({"jwk": own.jwk()});
    cases.push(bad("a jwk of its own, which signed it", headed(&own, offers), "header"));
    let offers = json!({"jku": "https://attacker.example/jwks.json"});
    cases.push(bad("a jku of its own, whose key signed it", headed(&own, offers), "header"));
    cases.push(bad("another key under our kid", headed(&own, json!({})), "signature"));
    let repeated = format!(r#"{{"alg":"none","alg":"{}","kid":"{}","typ":"at+jwt"}}"#, signer.algorithm, signer.kid);
    cases.push(bad("alg twice", signer.sign(&repeated, &claims_of_valid().to_string()), "form"));
    cases
}

pub fn claims(signer: &Signer) -> Vec<Case> {
    let mut cases = vec![
        good(
            "an array of audiences, one of them ours",
            changed(signer, json!({"aud": ["https://a.example", AUDIENCE]})),
        ),
        good("no scope", changed(signer, json!({"scope": null}))),
        good("an unknown claim", changed(signer, json!({"department": {"id": 7}}))),
        bad("another issuer", changed(signer, json!({"iss": "https://other.example.org"})), "issuer"),
        bad("the issuer with a slash", changed(signer, json!({"iss": format!("{ISSUER}/")})), "issuer"),
        bad("another audience", changed(signer, json!({"aud": "https://other.example.org"})), "audience"),
        bad(
            "an audience that begins like ours",
            changed(signer, json!({"aud": format!("{AUDIENCE}.evil")})),
            "audience",
        ),
        bad("an array of other audiences", changed(signer, json!({"aud": ["a", "b"]})), "audience"),
        bad("an empty array of audiences", changed(signer, json!({"aud": []})), "audience"),
        bad("an audience that is a number", changed(signer, json!({"aud": 7})), "claims"),
        bad("exp as a string", changed(signer, json!({"exp": "1800000900"})), "claims"),
    ];
    for name in ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"] {
        cases.push(bad(format!("no {name}"), changed(signer, json!({name: null})), "claims"));
    }
    let header = signer.header("at+jwt").to_string();
    for (name, member) in [("iss", format!(r#""iss":"{ISSUER}""#)), ("scope", r#""scope":"admin""#.to_owned())] {
        let payload = claims_of_valid().to_string().replacen('{', &format!("{{{member},"), 1);
        cases.push(bad(format!("{name} twice"), signer.sign(&header, &payload), "claims"));
    }
    cases
}

/// At the second, with no leeway and with half a minute.
pub fn times(signer: &Signer) -> Vec<Case> {
    let mut cases = vec![good("exp with a fraction", changed(signer, json!({"exp": 1_800_000_900.5})))];
    for leeway in [0, 30] {
        for (name, changes, refused) in [
            ("exp is one second away", json!({"exp": NOW + 1 - leeway}), None),
            ("exp is now", json!({"exp": NOW - leeway}), Some("expired")),
            ("nbf is now", json!({"nbf": NOW + leeway}), None),
            ("nbf is one second away", json!({"nbf": NOW + 1 + leeway}), Some("not-yet-valid")),
            ("iat is now", json!({"iat": NOW + leeway}), None),
            ("iat is one second away", json!({"iat": NOW + 1 + leeway}), Some("issued-in-future")),
        ] {
            let name = format!("{name}, with a leeway of {leeway} s");
            cases.push(Case { name, token: changed(signer, changes), refused, leeway });
        }
    }
    cases.push(bad("expired an hour ago", changed(signer, json!({"exp": NOW - 3600})), "expired"));
    cases
}

pub fn status(signer: &Signer) -> Vec<Case> {
    let of = |list: u64, index: i64| {
        changed(signer, json!({"status": {"status_list": {"idx": index, "uri": list_uri(list)}}}))
    };
    let elsewhere = json!({"status": {"status_list": {"idx": 0, "uri": "https://other.example.org/status-lists/1"}}});
    vec![
        good("1 bit: valid, beside a revoked one", of(1, 4)),
        bad("1 bit: revoked", of(1, 5), "revoked"),
        good("1 bit: the last entry", of(1, 31)),
        bad("1 bit: beyond the last entry", of(1, 32), "status-index"),
        bad("a negative index", of(1, -1), "claims"),
        bad("2 bits: revoked", of(2, 4), "revoked"),
        bad("2 bits: suspended", of(2, 5), "suspended"),
        bad("2 bits: an application's own status", of(2, 6), "status"),
        good("2 bits: valid", of(2, 7)),
        bad("4 bits: revoked", of(3, 5), "revoked"),
        bad("4 bits: suspended", of(3, 6), "suspended"),
        good("4 bits: valid", of(3, 4)),
        bad("8 bits: revoked", of(4, 5), "revoked"),
        bad("8 bits: suspended", of(4, 6), "suspended"),
        bad("8 bits: an unknown status", of(4, 7), "status"),
        bad("8 bits: beyond the last entry", of(4, 8), "status-index"),
        bad("no status claim", changed(signer, json!({"status": null})), "no-status"),
        bad("a status claim without a list", changed(signer, json!({"status": {}})), "no-status"),
        bad("the list has expired", of(10, 0), "status-list"),
        bad("the list is another's", of(11, 0), "status-list"),
        bad("the list is signed by a stranger", of(12, 0), "status-list"),
        bad("the list has another typ", of(13, 0), "status-list"),
        bad("the list was issued in the future", of(14, 0), "status-list"),
        bad("the list has 3 bits an entry", of(15, 0), "status-list"),
        bad("the list is not compressed", of(16, 0), "status-list"),
        bad("the list is another issuer's", of(17, 0), "status-list"),
        bad("the list cannot be had", of(18, 0), "status-list"),
        bad("the list is elsewhere", changed(signer, elsewhere), "status-list"),
    ]
}

/// One kind of key, or of signature, taken for another.
pub fn confusion(rs256: &Signer, ps256: &Signer) -> Vec<Case> {
    let jwk = rs256.jwk();
    let hmac_by = |name: &str, key: &[u8]| {
        let header = with(rs256.header("at+jwt"), json!({"alg": "HS256"})).to_string();
        let signed = format!("{}.{}", encode(header), encode(claims_of_valid().to_string()));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), signed.as_bytes());
        bad(format!("HS256 with {name} as the secret"), format!("{signed}.{}", encode(tag)), "algorithm")
    };
    vec![
        hmac_by("the public RSA key in PEM", rs256.public_pem().as_bytes()),
        hmac_by("the public RSA key as a JWK", jwk.to_string().as_bytes()),
        hmac_by("nothing", b""),
        bad("PS256 under the RS256 key", headed(rs256, json!({"alg": "PS256"})), "algorithm"),
        bad("RS256 under the PS256 key", headed(ps256, json!({"alg": "RS256"})), "algorithm"),
        bad("RS512 under the RS256 key", headed(rs256, json!({"alg": "RS512"})), "algorithm"),
    ]
}
