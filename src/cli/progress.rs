//! How far a command is, on standard error: a bar on a terminal, a line now and then elsewhere.

use std::io::{self, IsTerminal as _, Write as _};

const WIDTH: u64 = 30;

/// Where there is no terminal: lines are for a log, which a million of them would fill.
const LINES: u64 = 20;

pub struct Progress {
    what: &'static str,
    terminal: bool,
    /// What was shown last, so that nothing is shown twice.
    shown: Option<String>,
}

impl Progress {
    pub fn new(what: &'static str) -> Self {
        Self { what, terminal: io::stderr().is_terminal(), shown: None }
    }

    /// Shows that `done` of `total` are done. That it cannot be shown is nothing to fail for.
    pub fn show(&mut self, done: u64, total: u64) {
        let steps = if self.terminal { WIDTH } else { LINES };
        let step = (done * steps).checked_div(total).unwrap_or(steps);
        let text = if self.terminal { bar(self.what, step, done, total) } else { format!("{step}") };
        if self.shown.as_ref() == Some(&text) {
            return;
        }
        let _ = if self.terminal {
            write!(io::stderr(), "\r{text}").and_then(|()| io::stderr().flush())
        } else {
            writeln!(io::stderr(), "{}: {done} of {total}", self.what)
        };
        self.shown = Some(text);
    }
}

impl Drop for Progress {
    /// What is printed next does not continue the bar.
    fn drop(&mut self) {
        if self.terminal && self.shown.is_some() {
            let _ = writeln!(io::stderr());
        }
    }
}

fn bar(what: &str, step: u64, done: u64, total: u64) -> String {
    let bar: String = (0..WIDTH).map(|at| if at < step { '#' } else { '.' }).collect();
    format!("{what} [{bar}] {done} of {total}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_empty_at_first_and_full_at_the_end() {
        assert_eq!(bar("sealing", 0, 0, 40), "sealing [..............................] 0 of 40");
        assert_eq!(bar("sealing", 15, 20, 40), "sealing [###############...............] 20 of 40");
        assert_eq!(bar("sealing", 30, 40, 40), "sealing [##############################] 40 of 40");
    }
}
