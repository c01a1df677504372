//! Asking for the passphrase of a file, which, as a password, is never an argument.

use super::failure::Failure;
use super::prompts;
use crate::secret::Secret;

const KIND: &str = "passphrase";

/// One that protects a file already.
pub fn existing(from_stdin: bool) -> Result<Secret, Failure> {
    if from_stdin { prompts::first_line() } else { prompts::ask(KIND, "Passphrase of the file: ") }
}

/// One that is to protect a file, which opens with no other.
pub fn new(from_stdin: bool) -> Result<Secret, Failure> {
    prompts::new_secret(KIND, "New passphrase, of 15 characters or more: ", from_stdin)
}
