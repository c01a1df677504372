//! Asking the person at the terminal: for what must not be an argument, since arguments are seen by every user of the
//! machine and kept in histories, and whether to go on.

use std::io::{self, IsTerminal as _, Read as _};

use zeroize::Zeroizing;

use super::failure::Failure;
use crate::secret::Secret;

/// More than any password or token has.
const LIMIT: u64 = 64 * 1024;

/// A new password: the first line of standard input, or asked for twice on the terminal.
pub fn new_password(from_stdin: bool) -> Result<Secret, Failure> {
    new_secret("password", "New password: ", from_stdin)
}

/// A secret that is being set, called `kind`: the first line of standard input, or typed twice, so that nothing is set that
/// nobody meant.
pub fn new_secret(kind: &str, prompt: &str, from_stdin: bool) -> Result<Secret, Failure> {
    if from_stdin {
        return first_line();
    }
    let (first, second) = (ask(kind, prompt)?, ask(kind, "The same again: ")?);
    if first.expose() == second.expose() {
        Ok(first)
    } else {
        Err(Failure::Usage(format!("the two {kind}s differ: type the same one twice")))
    }
}

/// Asks at the terminal, which does not show what is typed.
pub fn ask(kind: &str, prompt: &str) -> Result<Secret, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage(format!(
            "there is no terminal to ask for the {kind} on: give --{kind}-stdin and the {kind} as the first line of \
             standard input"
        )));
    }
    let typed = rpassword::prompt_password(prompt).map(Secret::new);
    typed.map_err(|error| Failure::Unusable(format!("the terminal gave no {kind}: {error}")))
}

/// How strong a new password is, as zxcvbn estimates it: for whoever sets it to think about, not a rule.
pub fn strength(password: &Secret, known: &[&str]) -> String {
    let guesses = zxcvbn::zxcvbn(password.expose(), known).guesses_log10();
    format!("estimated guesses until the password is found: 10^{guesses:.0}")
}

/// Goes on if the person at the terminal agrees.
///
/// # Errors
/// When there is no terminal to ask on (a script says `--yes`), or the answer is not `y` or `yes`.
pub fn confirm(what: &str) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::Usage(format!("{what}: there is no terminal to confirm it on; give --yes")));
    }
    let asked = super::output::line(io::stderr(), &format!("{what}. Go on? [y/N]"));
    let mut answer = String::new();
    asked.and_then(|()| io::stdin().read_line(&mut answer))?;
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Failure::Unusable("nothing was changed".to_owned())),
    }
}

/// The first line of standard input, without its end.
pub fn first_line() -> Result<Secret, Failure> {
    // Room from the start: a string that grows leaves unwiped copies behind.
    let mut text = Zeroizing::new(String::with_capacity(64 * 1024));
    io::stdin()
        .take(LIMIT)
        .read_to_string(&mut text)
        .map_err(|error| Failure::Usage(format!("standard input cannot be read as UTF-8 text: {error}")))?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() {
        return Err(Failure::Usage("standard input is empty: its first line is what is asked for".to_owned()));
    }
    Ok(Secret::new(line))
}
