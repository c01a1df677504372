//! Refresh tokens: none but what the issuer's key made is opened, and that one to what it names, in one spelling only.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use signet::keys::IssuerSecrets;
use signet::secret::Secret;
use uuid::Uuid;

static SECRETS: LazyLock<IssuerSecrets> = LazyLock::new(|| IssuerSecrets::with_mac_key(&[7; 32]));
static OTHERS: LazyLock<IssuerSecrets> = LazyLock::new(|| IssuerSecrets::with_mac_key(&[8; 32]));

fuzz_target!(|input: &[u8]| {
    // As it is presented.
    if let Ok(presented) = std::str::from_utf8(input)
        && let Some(parts) = SECRETS.open_refresh_token(&Secret::new(presented))
    {
        assert_eq!(SECRETS.refresh_token(parts.grant, parts.generation).expose(), presented, "a second spelling");
    }
    // One of ours, and one byte of it changed.
    let Some((grant, rest)) = input.split_first_chunk::<16>() else { return };
    let Some((generation, rest)) = rest.split_first_chunk::<4>() else { return };
    let (grant, generation) = (Uuid::from_bytes(*grant), i64::from(u32::from_be_bytes(*generation)));
    let token = SECRETS.refresh_token(grant, generation);
    let opened = SECRETS.open_refresh_token(&token).expect("a token of ours");
    assert_eq!((opened.grant, opened.generation), (grant, generation));
    assert_eq!(OTHERS.open_refresh_token(&token), None, "another issuer's");
    let [place, byte, ..] = rest else { return };
    let mut changed = token.expose().as_bytes().to_vec();
    let place = usize::from(*place) % changed.len();
    changed[place] = *byte;
    if let Ok(changed) = String::from_utf8(changed)
        && changed != token.expose()
    {
        assert_eq!(SECRETS.open_refresh_token(&Secret::new(changed)), None, "a changed token");
    }
});
