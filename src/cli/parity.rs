//! What of the command line is which operation of the administration API: one table, which drives both checks. A command that
//! has no row, a row that has no command, and an operation that no command asks for, each fail.

use std::collections::BTreeSet;

use clap::CommandFactory as _;

use super::Cli;
use crate::admin::operation::{Operation, Visitor};
use crate::admin::operations;

/// A command is these operations, or is carried out beside the database alone.
enum Way {
    Asks(&'static [&'static str]),
    Beside(&'static str),
}
use Way::{Asks, Beside};

const MACHINE: &str = "works on the machine's own files, processes or database";
const SEALED: &str = "the master key, and what it seals, leaves the machine on no connection";
const DESCRIBES: &str = "describes the API, which serves the same documents";

const PARITY: &[(&str, Way)] = &[
    ("serve", Beside(MACHINE)),
    ("dev", Beside(MACHINE)),
    ("migrate", Beside(MACHINE)),
    ("database copy", Beside(MACHINE)),
    ("doctor", Beside(MACHINE)),
    ("health", Beside(MACHINE)),
    #[cfg(windows)]
    ("service install", Beside(MACHINE)),
    #[cfg(windows)]
    ("service uninstall", Beside(MACHINE)),
    #[cfg(windows)]
    ("service run", Beside(MACHINE)),
    ("purge", Asks(&["PurgeEnded"])),
    ("statistics", Asks(&["ShowStatistics"])),
    ("user create", Asks(&["CreateUser"])),
    ("user import", Asks(&["ImportUsers"])),
    ("user hashes", Asks(&["CountPasswordHashes"])),
    ("user list", Asks(&["ListUsers"])),
    ("user show", Asks(&["ShowUser"])),
    ("user set-password", Asks(&["ShowUser", "SetUserPassword"])),
    ("user update", Asks(&["UpdateUser"])),
    ("user disable", Asks(&["DisableUser"])),
    ("user enable", Asks(&["EnableUser"])),
    ("user delete", Asks(&["DeleteUser"])),
    ("client create", Asks(&["CreateClient"])),
    ("client list", Asks(&["ListClients"])),
    ("client show", Asks(&["ShowClient"])),
    ("client update", Asks(&["UpdateClient"])),
    ("client rotate-secret", Asks(&["RotateClientSecret"])),
    ("client disable", Asks(&["DisableClient"])),
    ("client enable", Asks(&["EnableClient"])),
    ("client delete", Asks(&["DeleteClient"])),
    ("resource-server create", Asks(&["CreateResourceServer"])),
    ("resource-server list", Asks(&["ListResourceServers"])),
    ("resource-server show", Asks(&["ShowResourceServer"])),
    ("resource-server update", Asks(&["UpdateResourceServer"])),
    ("resource-server rotate-secret", Asks(&["RotateResourceServerSecret"])),
    ("resource-server disable", Asks(&["DisableResourceServer"])),
    ("resource-server enable", Asks(&["EnableResourceServer"])),
    ("resource-server delete", Asks(&["DeleteResourceServer"])),
    ("key list", Asks(&["ListSigningKeys"])),
    ("key verifiers", Asks(&["ListVerifiers"])),
    ("key rotate", Asks(&["RotateSigningKeys"])),
    ("key revoke", Asks(&["PlanKeyRevocation", "RevokeSigningKey"])),
    ("key import", Asks(&["ImportSigningKey"])),
    // A private key (--private) is exported beside the database alone.
    ("key export", Asks(&["ShowPublicKey", "ShowKeySet"])),
    ("grant list", Asks(&["ListGrants"])),
    ("grant show", Asks(&["ShowGrant"])),
    ("grant revoke", Asks(&["RevokeGrants"])),
    ("token inspect", Asks(&["InspectToken"])),
    ("token revoke", Asks(&["RevokeToken", "PlanRevocation", "RevokeIssued"])),
    ("webhook create", Asks(&["CreateWebhook"])),
    ("webhook list", Asks(&["ListWebhooks"])),
    ("webhook show", Asks(&["ShowWebhook"])),
    ("webhook update", Asks(&["UpdateWebhook"])),
    ("webhook disable", Asks(&["DisableWebhook"])),
    ("webhook enable", Asks(&["EnableWebhook"])),
    ("webhook delete", Asks(&["DeleteWebhook"])),
    ("webhook deliveries", Asks(&["ListDeliveries"])),
    ("webhook redeliver", Asks(&["Redeliver"])),
    ("webhook test", Asks(&["TestWebhook"])),
    ("webhook poll", Asks(&["PollEvents"])),
    ("audit list", Asks(&["ListAuditEvents"])),
    ("audit export", Asks(&["ListAuditEvents"])),
    ("audit verify", Asks(&["VerifyAuditTrail"])),
    ("settings show", Asks(&["ShowSettings"])),
    ("settings set", Asks(&["UpdateSettings"])),
    ("master-key create", Beside(SEALED)),
    ("master-key add", Beside(SEALED)),
    ("master-key list", Beside(SEALED)),
    ("master-key rotate", Beside(SEALED)),
    ("backup create", Beside(SEALED)),
    ("backup verify", Beside(SEALED)),
    ("backup restore", Beside(SEALED)),
    ("admin bootstrap", Beside("whoever may do it needs no token yet")),
    ("admin openapi", Beside(DESCRIBES)),
    ("admin reference", Beside(DESCRIBES)),
];

fn commands(command: &clap::Command, path: &str, all: &mut BTreeSet<String>) {
    for command in command.get_subcommands() {
        let path = format!("{path} {}", command.get_name()).trim().to_owned();
        if command.has_subcommands() {
            commands(command, &path, all);
        } else {
            all.insert(path);
        }
    }
}

#[derive(Default)]
struct Names(BTreeSet<String>);

impl Visitor for Names {
    fn visit<O: Operation>(&mut self) {
        self.0.insert(O::NAME.to_owned());
    }
}

#[test]
fn every_command_is_in_the_table_and_every_row_is_a_command() {
    let mut there = BTreeSet::new();
    commands(&Cli::command(), "", &mut there);
    let listed: BTreeSet<String> = PARITY.iter().map(|(command, _)| (*command).to_owned()).collect();
    assert_eq!(listed.len(), PARITY.len(), "a command is listed twice");
    assert_eq!(listed, there);
}

#[test]
fn every_operation_is_asked_for_by_a_command_and_no_command_asks_for_another() {
    let mut there = Names::default();
    operations::each(&mut there);
    let asked = PARITY.iter().filter_map(|(_, way)| match way {
        Asks(operations) => Some(operations.iter().map(|name| (*name).to_owned())),
        Beside(reason) => {
            assert!(!reason.is_empty());
            None
        }
    });
    assert_eq!(asked.flatten().collect::<BTreeSet<_>>(), there.0);
}
