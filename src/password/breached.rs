//! Passwords known from breaches (SP 800-63B-4 §3.1.1.2), in the files that the range API of Pwned Passwords gives: one for
//! each first five digits of a SHA-1, a line for each rest. They are mounted, never fetched: no password leaves, nor a part
//! of its hash.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use zeroize::Zeroizing;

use super::Password;

const PREFIX_DIGITS: usize = 5;
/// The first and the last file of a whole set of 16^5.
const ENDS: [&str; 2] = ["00000", "FFFFF"];
/// A hundred times what a file has.
const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;

/// A folder of range files: `5BAA6` or `5BAA6.txt`, in either case.
#[derive(Clone, Debug)]
pub struct BreachedPasswords(PathBuf);

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RangeError {
    #[error("{} is no folder that can be read: {error}", folder.display())]
    Folder { folder: PathBuf, error: io::ErrorKind },
    #[error("{} has no file {name} or {name}.txt: it must hold every range from 00000 to FFFFF", folder.display())]
    Missing { folder: PathBuf, name: String },
    #[error("{} cannot be read: {error}", file.display())]
    File { file: PathBuf, error: io::ErrorKind },
    #[error("{} is no range file: its lines must be 35 hexadecimal digits, a colon and a count", file.display())]
    Form { file: PathBuf },
}

impl BreachedPasswords {
    /// # Errors
    /// When the folder or its first or last file is missing. The others are looked for when they are needed.
    pub fn open(folder: &Path) -> Result<Self, RangeError> {
        let readable = std::fs::read_dir(folder).map(drop);
        readable.map_err(|error| RangeError::Folder { folder: folder.to_owned(), error: error.kind() })?;
        let ranges = Self(folder.to_owned());
        for name in ENDS {
            ranges.range(name)?;
        }
        Ok(ranges)
    }

    /// Whether the password was found in a breach. Reads a file.
    pub(super) fn contain(&self, password: &Password) -> Result<bool, RangeError> {
        let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, password.as_bytes());
        let digits = Zeroizing::new(hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect::<String>());
        let (prefix, wanted) = digits.split_at(PREFIX_DIGITS);
        let (file, text) = self.range(prefix)?;
        let mut found = false;
        for line in text.lines().filter(|line| !line.is_empty()) {
            let parts = line.split_once(':').filter(|(suffix, _)| suffix.len() == wanted.len());
            let count = parts.and_then(|(suffix, count)| Some((suffix, count.trim().parse::<u64>().ok()?)));
            let (suffix, count) = count.ok_or_else(|| RangeError::Form { file: file.clone() })?;
            // A count of zero is padding, which hides how long a range is.
            found |= count > 0 && suffix.eq_ignore_ascii_case(wanted);
        }
        Ok(found)
    }

    fn range(&self, prefix: &str) -> Result<(PathBuf, String), RangeError> {
        for name in [prefix.to_owned(), prefix.to_lowercase()] {
            for name in [format!("{name}.txt"), name] {
                let file = self.0.join(name);
                let mut text = String::new();
                match File::open(&file).and_then(|file| file.take(MAX_FILE_BYTES).read_to_string(&mut text)) {
                    Ok(_) => return Ok((file, text)),
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(RangeError::File { file, error: error.kind() }),
                }
            }
        }
        Err(RangeError::Missing { folder: self.0.clone(), name: prefix.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    /// The SHA-1 of "password" is 5BAA6 and this, as the API's documentation has it.
    const SUFFIX: &str = "1E4C9B93F3F0682250B6CF8331B7EE68FD8";

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn is_breached(range: &str) -> Result<bool, RangeError> {
        let folder = folder(&[("00000", ""), ("FFFFF.txt", ""), ("5BAA6", range)]);
        let password = Password::new(&Secret::new("password")).unwrap();
        BreachedPasswords::open(folder.path()).unwrap().contain(&password)
    }

    #[test]
    fn a_password_is_found_by_the_rest_of_its_hash() {
        let other = "0018A45C4D1DEF81644B54AB7F969B88D65";
        assert!(is_breached(&format!("{other}:1\r\n{SUFFIX}:10437277\r\n")).unwrap());
        assert!(is_breached(&SUFFIX.to_lowercase().replace("fd8", "fd8:3")).unwrap());
        assert!(!is_breached(&format!("{other}:1\r\n")).unwrap());
        assert!(!is_breached(&format!("{SUFFIX}:0\r\n")).unwrap(), "padding");
        assert!(!is_breached("").unwrap());
    }

    #[test]
    fn what_is_missing_or_no_range_file_is_an_error_that_names_it() {
        for damaged in ["1E4C9B:1\n", &format!("{SUFFIX}\n"), &format!("{SUFFIX}:many\n")] {
            assert!(is_breached(damaged).unwrap_err().to_string().contains("5BAA6 is no range file"), "{damaged}");
        }
        let opened = |folder: &Path| BreachedPasswords::open(folder).err().map(|error| error.to_string());
        assert!(opened(Path::new("/nowhere")).unwrap().contains("/nowhere is no folder"));
        for (files, missing) in [(vec![], "00000"), (vec![("00000", "")], "FFFFF"), (vec![("fffff.txt", "")], "00000")]
        {
            assert!(opened(folder(&files).path()).unwrap().contains(&format!("no file {missing}")), "{files:?}");
        }
        let incomplete = folder(&[("00000.txt", ""), ("fffff", "")]);
        let password = Password::new(&Secret::new("password")).unwrap();
        let error = BreachedPasswords::open(incomplete.path()).unwrap().contain(&password).unwrap_err();
        assert!(error.to_string().contains("no file 5BAA6"), "{error}");
    }
}
