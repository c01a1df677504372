//! Asking for the passphrase of a file, which, as a password, is never an argument.

use std::io::{self, IsTerminal as _};

use super::failure::Failure;
use super::prompts;
use crate::secret::Secret;

/// One that protects a file already.
pub fn existing(from_stdin: bool) -> Result<Secret, Failure> {
    if from_stdin { prompts::first_line() } else { ask("Passphrase of the file: ") }
}

/// One that is to protect a file: typed twice, because the file opens with no other.
pub fn new(from_stdin: bool) -> Result<Secret, Failure> {
    if from_stdin {
        return prompts::first_line();
    }
    let (first, second) = (ask("New passphrase, of 15 characters or more: ")?, ask("The same again: ")?);
    if first.expose() == second.expose() {
        Ok(first)
    } else {
        Err(Failure::Usage("the two passphrases differ: type the same one twice".to_owned()))
    }
}

fn ask(prompt: &str) -> Result<Secret, Failure> {
    if !io::stdin().is_terminal() {
        let advice = "there is no terminal to ask for the passphrase on: give --passphrase-stdin and the passphrase as \
                      the first line of standard input";
        return Err(Failure::Usage(advice.to_owned()));
    }
    let typed = rpassword::prompt_password(prompt).map(Secret::new);
    typed.map_err(|error| Failure::Unusable(format!("the terminal gave no passphrase: {error}")))
}
