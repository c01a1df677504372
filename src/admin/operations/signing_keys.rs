//! Signing keys over HTTP and on the command line. A private key goes in, once, and never comes out.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::admin::Done;
use crate::admin::key_import::KeyImport;
use crate::admin::key_revocation::{KeyRevocationPlan, KeyRevocationView};
use crate::admin::operation::{Answer, Body, NoQuery, operations};
use crate::admin::page::Listed;
use crate::admin::signing_keys::{SigningKeyView, StagedView};
use crate::admin::verifiers::VerifierView;
use crate::keys::Activation;
use crate::protocol::jwk::{Algorithm, JwkSet};

/// Which keys are to have a successor.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Rotation {
    /// Absent: of every algorithm in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub algorithm: Option<Algorithm>,
    /// Whether it signs at once: verifiers that keep an older JWKS refuse its tokens for a while.
    #[serde(default)]
    pub now: bool,
}

impl Body for Rotation {}
impl Body for KeyImport {}
impl Answer for KeyRevocationPlan {}
impl Answer for KeyRevocationView {}
impl Answer for JwkSet {}

impl Answer for SigningKeyView {}

operations! {
    /// Lists every signing key, its state, when that changes, and which verifiers do not know it yet.
    ListSigningKeys = Get "/signing-keys" (Act, Read) |admin, _: (), _: NoQuery, _: ()| -> Listed<SigningKeyView> {
        Ok(admin.signing_keys().await?.into())
    }

    /// Takes over a private key that another issuer signed with, so that its tokens go on to verify.
    ImportSigningKey = Post "/signing-keys" (Act, Keys)
        |admin, _: (), _: NoQuery, import: KeyImport| -> Done<SigningKeyView> {
        admin.import_presented_key(import).await
    }

    /// Shows the public key of this kid, whatever its state (RFC 7517).
    ShowPublicKey = Get "/signing-keys/{kid}" (Act, Read) |admin, kid: String, _: NoQuery, _: ()| -> JwkSet {
        admin.public_keys(Some(&kid)).await
    }

    /// Shows the key set as it is published.
    ShowKeySet = Get "/jwks" (Act, Read) |admin, _: (), _: NoQuery, _: ()| -> JwkSet {
        admin.public_keys(None).await
    }

    /// Makes the next signing key of each algorithm in use, which signs when every verifier can know it.
    RotateSigningKeys = Post "/signing-key-rotations" (Act, Keys)
        |admin, _: (), _: NoQuery, rotation: Rotation| -> Listed<StagedView> {
        let activation = if rotation.now { Activation::AtOnce } else { Activation::Published };
        Ok(admin.rotate_keys(rotation.algorithm, activation).await?.into())
    }

    /// Says what revoking a signing key would end.
    PlanKeyRevocation = Get "/signing-keys/{kid}/revocation" (Act, Read)
        |admin, kid: String, _: NoQuery, _: ()| -> KeyRevocationPlan {
        admin.plan_key_revocation(&kid).await
    }

    /// Withdraws a key whose private part may be known to others: its tokens end and another key signs, both at once.
    RevokeSigningKey = Post "/signing-keys/{kid}/revocation" (Act, Keys)
        |admin, kid: String, _: NoQuery, _: ()| -> Done<KeyRevocationView> {
        admin.revoke_key(&kid).await
    }

    /// Lists who fetched the JWKS in the last 30 days, and when last.
    ListVerifiers = Get "/verifiers" (Act, Read) |admin, _: (), _: NoQuery, _: ()| -> Listed<VerifierView> {
        Ok(Listed { items: admin.verifiers().await?, notes: Vec::new() })
    }
}
