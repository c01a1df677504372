//! `signet user`: who may log in.

use clap::Subcommand;

use super::failure::Failure;
use super::output::Report;
use super::value::on_or_off;
use super::{compose, prompts};
use crate::admin::every;
use crate::admin::users::{NewUser, UserView};
use crate::config::Config;

const MEMBERS: [&str; 8] = [
    "username",
    "sub",
    "email",
    "created_at",
    "password_changed_at",
    "last_login_at",
    "disabled_at",
    "password_grant_disabled_at",
];
const COLUMNS: [&str; 5] = ["username", "email", "created_at", "last_login_at", "disabled_at"];

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Creates a user; the password is asked for, never taken from an argument.
    Create {
        /// Names the user; a login may write the name in any case.
        name: String,
        /// Notes an e-mail address; a password made of it is refused.
        #[arg(long)]
        email: Option<String>,
        /// Takes the password from the first line of standard input instead of asking.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Lists all users.
    List,
    /// Shows a user.
    Show {
        /// Names the user.
        name: String,
    },
    /// Sets a new password and revokes every grant that the old one gave.
    SetPassword {
        /// Names the user.
        name: String,
        /// Takes the password from the first line of standard input instead of asking.
        #[arg(long)]
        password_stdin: bool,
    },
    /// Changes how a user may log in.
    Update {
        /// Names the user.
        name: String,
        /// Lets the user log in by the password grant, or refuses it as if the password were wrong: on or off.
        #[arg(long, value_name = "ON|OFF", value_parser = on_or_off, action = clap::ArgAction::Set)]
        password_grant: bool,
    },
    /// Refuses the user's logins and revokes every grant.
    Disable {
        /// Names the user.
        name: String,
    },
    /// Lets a disabled user log in again; grants that were revoked stay so.
    Enable {
        /// Names the user.
        name: String,
    },
    /// Removes the user; every token is invalid from then on.
    Delete {
        /// Names the user.
        name: String,
    },
}

pub async fn run(command: Command, config: &Config) -> Result<Report, Failure> {
    let admin = compose::admin(config).await?;
    match command {
        Command::Create { name: username, email, password_stdin } => {
            let password = prompts::new_password(password_stdin)?;
            Report::done(&admin.create_user(NewUser { username, email, password }).await?, &MEMBERS)
        }
        Command::List => {
            let page = async |after: &String, limit| admin.users(after, limit).await;
            let all = every(String::new(), page, |user: &UserView| user.username.clone()).await?;
            Report::list(&all, &COLUMNS)
        }
        Command::Show { name } => Report::record(&admin.user(&name).await?, &MEMBERS),
        Command::SetPassword { name, password_stdin } => {
            // Asked for only when there is such a user.
            admin.user(&name).await?;
            let password = prompts::new_password(password_stdin)?;
            Report::done(&admin.set_password(&name, password).await?, &MEMBERS)
        }
        Command::Update { name, password_grant } => {
            Report::done(&admin.allow_password_grant(&name, password_grant).await?, &MEMBERS)
        }
        Command::Disable { name } => Report::done(&admin.disable_user(&name).await?, &MEMBERS),
        Command::Enable { name } => Report::done(&admin.enable_user(&name).await?, &MEMBERS),
        Command::Delete { name } => {
            let done = admin.delete_user(&name).await?;
            Ok(Report::done(&done, &MEMBERS)?.noting(format!("the user {} is deleted", done.view.username)))
        }
    }
}
