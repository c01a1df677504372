//! `signet user`: who may log in.

use clap::Subcommand;

use super::failure::Failure;
use super::output::Report;
use super::value::on_or_off;
use super::{compose, prompts, user_import};
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
const HASH_COLUMNS: [&str; 4] = ["scheme", "imported", "wrapped", "users"];

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
    /// Takes over users of another system from a file, with the hashes of their passwords.
    Import(user_import::Arguments),
    /// Counts the users by the scheme of their password's hash; an imported one is replaced at the user's next login.
    Hashes,
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
    if let Command::Import(arguments) = command {
        // Only wrapping hashes.
        let workers = if arguments.wrap { config.password_workers.get() } else { 1 };
        let admin = compose::admin_with(config, workers).await?;
        return user_import::run(arguments, &admin, workers).await;
    }
    let admin = compose::admin(config).await?;
    match command {
        Command::Import(_) => unreachable!("it was carried out above"),
        Command::Hashes => Report::list(&admin.password_hashes().await?, &HASH_COLUMNS),
        Command::Create { name: username, email, password_stdin } => {
            let password = prompts::new_password(password_stdin)?;
            let known: Vec<&str> = [Some(username.as_str()), email.as_deref()].into_iter().flatten().collect();
            let strength = prompts::strength(&password, &known);
            let done = admin.create_user(NewUser { username, email, password }).await?;
            Ok(Report::done(&done, &MEMBERS)?.noting(strength))
        }
        Command::List => {
            let page = async |after: &String, limit| admin.users(after, limit).await;
            let all = every(String::new(), page, |user: &UserView| user.username.clone()).await?;
            Report::list(&all, &COLUMNS)
        }
        Command::Show { name } => Report::record(&admin.user(&name).await?, &MEMBERS),
        Command::SetPassword { name, password_stdin } => {
            // Asked for only when there is such a user.
            let user = admin.user(&name).await?;
            let password = prompts::new_password(password_stdin)?;
            let known: Vec<&str> =
                [Some(user.username.as_str()), user.email.as_deref()].into_iter().flatten().collect();
            let strength = prompts::strength(&password, &known);
            Ok(Report::done(&admin.set_password(&name, password).await?, &MEMBERS)?.noting(strength))
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
