//! Who runs the server: whoever runs the tests, except root, whom PostgreSQL refuses.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// An account without power that stands in for root.
#[derive(Clone, Copy)]
pub struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// `None` for an ordinary user. `owned` is a file made by this process: its owner is who we are.
    pub fn in_place_of_root(owned: &Path) -> Option<Self> {
        let uid = std::fs::metadata(owned).expect("the owner of a file just made").uid();
        (uid == 0).then(|| {
            let accounts = std::fs::read_to_string("/etc/passwd").expect("reading the list of accounts");
            let found = ["postgres", "nobody"].into_iter().find_map(|name| named(name, &accounts));
            found.expect("PostgreSQL does not run as root, and there is no account `postgres` or `nobody`")
        })
    }

    pub fn run(self, command: &mut Command) {
        command.uid(self.uid).gid(self.gid);
    }

    pub fn own(self, path: &Path) {
        std::os::unix::fs::chown(path, Some(self.uid), Some(self.gid)).expect("giving the server its directory");
    }
}

/// Whether an account that owns none of the folders above `path` gets there.
pub fn is_reachable_by_all(path: &Path) -> bool {
    let enterable = |folder: &Path| std::fs::metadata(folder).is_ok_and(|data| data.permissions().mode() & 0o001 != 0);
    path.ancestors().all(enterable)
}

fn named(name: &str, accounts: &str) -> Option<Account> {
    let fields = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let account = fields.into_iter().find(|fields| fields[0] == name && fields.len() > 3)?;
    Some(Account { uid: account[2].parse().ok()?, gid: account[3].parse().ok()? })
}

#[test]
fn an_account_is_found_by_its_whole_name() {
    let accounts = "nobody2:x:7:8::/:\nnobody:x:65534:65533:nobody:/nonexistent:/usr/sbin/nologin\n";
    let nobody = named("nobody", accounts).expect("listed");
    assert_eq!((nobody.uid, nobody.gid), (65534, 65533));
    assert!(named("postgres", accounts).is_none());
}
