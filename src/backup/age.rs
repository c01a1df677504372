//! Files encrypted to a passphrase, in version 1 of the age format (<https://age-encryption.org/v1>, §§ "scrypt
//! recipient stanza" and "Payload"): `age --decrypt` reads what is written here. Nothing of age but passphrases is.

mod header;

use std::io::{self, BufRead, Read, Write};

use aws_lc_rs::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::secret::Secret;

const CHUNK: usize = 64 * 1024;
const TAG: usize = 16;

/// log₂ of scrypt's N, with r = 8 and p = 1: memory of 2^N KiB, and time in proportion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Work(u8);

impl Work {
    /// age's own: 256 MiB and about a second.
    pub const DEFAULT: Self = Self(18);

    /// For tests: no secret is safe behind it.
    pub const TRIVIAL: Self = Self(4);

    /// What a file may ask for before it is taken for an attempt to use up the memory: 1 GiB.
    const LARGEST: Self = Self(20);
}

#[derive(Debug, thiserror::Error)]
pub enum AgeError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it is not an encrypted file of the age format: is it a backup at all?")]
    NotAge,
    #[error("it is encrypted to a key and not to a passphrase: signet did not write it")]
    NotPassphrase,
    #[error("it asks for more memory than any backup does (work factor {0})")]
    Work(u8),
    #[error("the passphrase is not the one it was made with (or its first lines are damaged)")]
    WrongPassphrase,
    #[error("its header was changed")]
    Header,
    #[error("it is damaged or cut short, in the 64 KiB behind byte {at}")]
    Damaged { at: u64 },
    #[error("it is cut short: it ends after byte {at}")]
    Truncated { at: u64 },
}

/// A key of 32 bytes from the file key (RFC 5869).
fn derive(file_key: &[u8; 16], salt: &[u8], label: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    Salt::new(HKDF_SHA256, salt)
        .extract(file_key)
        .expand(&[label], HKDF_SHA256)
        .and_then(|output| output.fill(key.as_mut_slice()))
        .expect("32 bytes are within what HKDF gives");
    key
}

fn chacha(key: &[u8; 32]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, key).expect("32 bytes are a ChaCha20 key"))
}

/// STREAM: 11 bytes that count, one that marks the last chunk. No two chunks of a file have the same.
fn nonce(chunk: u64, last: bool) -> Nonce {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&chunk.to_be_bytes());
    nonce[11] = u8::from(last);
    Nonce::assume_unique_for_key(nonce)
}

/// Encrypts what is written to it.
pub struct Encryptor<W> {
    out: W,
    key: LessSafeKey,
    chunk: u64,
    /// Less than a chunk, or a whole one of which it is not yet known whether it is the last.
    pending: Zeroizing<Vec<u8>>,
}

impl<W: Write> Encryptor<W> {
    pub fn new(mut out: W, passphrase: &Secret, work: Work, entropy: &Entropy) -> io::Result<Self> {
        let file_key = Zeroizing::new(entropy.bytes());
        out.write_all(header::write(&file_key, passphrase, work, &entropy.bytes()).as_bytes())?;
        let salt: [u8; 16] = entropy.bytes();
        out.write_all(&salt)?;
        let key = chacha(&derive(&file_key, &salt, b"payload"));
        Ok(Self { out, key, chunk: 0, pending: Zeroizing::new(Vec::with_capacity(CHUNK + TAG)) })
    }

    pub fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            if self.pending.len() == CHUNK {
                self.seal(false)?;
            }
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK - self.pending.len()));
            self.pending.extend_from_slice(now);
            bytes = later;
        }
        Ok(())
    }

    /// Writes the end. Without it, what was written is known to be cut short.
    pub fn finish(mut self) -> io::Result<W> {
        self.seal(true)?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn seal(&mut self, last: bool) -> io::Result<()> {
        self.key
            .seal_in_place_append_tag(nonce(self.chunk, last), Aad::empty(), &mut *self.pending)
            .map_err(io::Error::other)?;
        self.out.write_all(&self.pending)?;
        self.pending.clear();
        self.chunk += 1;
        Ok(())
    }
}

/// Decrypts a file, a chunk at a time; what it has given out is genuine.
pub struct Decryptor<R> {
    input: R,
    key: LessSafeKey,
    chunk: u64,
    ended: bool,
}

impl<R: BufRead> Decryptor<R> {
    pub fn new(mut input: R, passphrase: &Secret) -> Result<Self, AgeError> {
        let file_key = header::read(&mut input, passphrase)?;
        let mut salt = [0; 16];
        input.read_exact(&mut salt).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => AgeError::Truncated { at: 0 },
            _ => AgeError::Io(error),
        })?;
        Ok(Self { input, key: chacha(&derive(&file_key, &salt, b"payload")), chunk: 0, ended: false })
    }

    /// The next chunk; `None` behind the last.
    pub fn chunk(&mut self) -> Result<Option<Zeroizing<Vec<u8>>>, AgeError> {
        if self.ended {
            return Ok(None);
        }
        let at = self.chunk * CHUNK as u64;
        let mut sealed = Zeroizing::new(Vec::with_capacity(CHUNK + TAG));
        self.input.by_ref().take((CHUNK + TAG) as u64).read_to_end(&mut sealed)?;
        let last = self.input.fill_buf()?.is_empty();
        let spare = sealed.clone();
        let Ok(length) = self.open(&mut sealed, last) else {
            // A whole chunk that is not the last one, and nothing behind it: all is well up to here.
            let whole = last && self.open(&mut spare.clone(), false).is_ok();
            return Err(if whole || spare.is_empty() {
                AgeError::Truncated { at: at + if whole { CHUNK as u64 } else { 0 } }
            } else {
                AgeError::Damaged { at }
            });
        };
        // Only the payload of nothing has an empty chunk.
        if length == 0 && self.chunk > 0 {
            return Err(AgeError::Damaged { at });
        }
        sealed.truncate(length);
        self.chunk += 1;
        self.ended = last;
        Ok(Some(sealed))
    }

    fn open(&self, sealed: &mut [u8], last: bool) -> Result<usize, aws_lc_rs::error::Unspecified> {
        Ok(self.key.open_in_place(nonce(self.chunk, last), Aad::empty(), sealed)?.len())
    }
}

#[cfg(test)]
mod tests;
