//! `signet user`: who may log in.

use clap::{ArgGroup, Subcommand};

use super::failure::Failure;
use super::output::Report;
use super::place::Place;
use super::value::{on_or_off, text_or_none};
use super::{prompts, user_import};
use crate::admin::Choice;
use crate::admin::operation::NoQuery;
use crate::admin::operations::users::{
    CountPasswordHashes, CreateUser, DeleteUser, DisableUser, EnableUser, ListUsers, NewPassword, SetUserPassword,
    ShowUser, UpdateUser, UsersQuery,
};
use crate::admin::users::{NewUser, UserChange, UserView};

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
    /// Changes a user's e-mail address, or how the user may log in; what is not given stays as it is.
    #[command(group = ArgGroup::new("change").args(["password_grant", "email"]).required(true).multiple(true))]
    Update {
        /// Names the user.
        name: String,
        /// Lets the user log in by the password grant, or refuses it as if the password were wrong: on or off.
        #[arg(long, value_name = "ON|OFF", value_parser = on_or_off, action = clap::ArgAction::Set)]
        password_grant: Option<bool>,
        /// Replaces the e-mail address, or with `none` takes it away.
        #[arg(long, value_name = "ADDRESS", value_parser = text_or_none)]
        email: Option<Choice<String>>,
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

pub async fn run(command: Command, place: &Place) -> Result<Report, Failure> {
    if let Command::Import(arguments) = command {
        return user_import::run(arguments, place).await;
    }
    let console = place.console().await?;
    let (query, none) = (NoQuery {}, ());
    match command {
        Command::Import(_) => unreachable!("it was carried out above"),
        Command::Hashes => {
            Report::list(&console.ask::<CountPasswordHashes>((), query, none).await?.items, &HASH_COLUMNS)
        }
        Command::Create { name: username, email, password_stdin } => {
            let password = prompts::new_password(password_stdin)?;
            let known: Vec<&str> = [Some(username.as_str()), email.as_deref()].into_iter().flatten().collect();
            let strength = prompts::strength(&password, &known);
            let done = console.ask::<CreateUser>((), query, NewUser { username, email, password }).await?;
            Ok(Report::done(&done, &MEMBERS)?.noting(strength))
        }
        Command::List => {
            let page = |cursor, limit| UsersQuery { cursor, limit, username_prefix: None };
            Report::list(&console.all::<ListUsers, UserView>((), page).await?, &COLUMNS)
        }
        Command::Show { name } => Report::record(&console.ask::<ShowUser>(name, query, none).await?, &MEMBERS),
        Command::SetPassword { name, password_stdin } => {
            // Asked for only when there is such a user.
            let user = console.ask::<ShowUser>(name.clone(), query, none).await?;
            let password = prompts::new_password(password_stdin)?;
            let known: Vec<&str> =
                [Some(user.username.as_str()), user.email.as_deref()].into_iter().flatten().collect();
            let strength = prompts::strength(&password, &known);
            let done = console.ask::<SetUserPassword>(name, query, NewPassword { password }).await?;
            Ok(Report::done(&done, &MEMBERS)?.noting(strength))
        }
        Command::Update { name, password_grant, email } => {
            let change = UserChange { email, password_grant };
            Report::done(&console.ask::<UpdateUser>(name, query, change).await?, &MEMBERS)
        }
        Command::Disable { name } => Report::done(&console.ask::<DisableUser>(name, query, none).await?, &MEMBERS),
        Command::Enable { name } => Report::done(&console.ask::<EnableUser>(name, query, none).await?, &MEMBERS),
        Command::Delete { name } => {
            let done = console.ask::<DeleteUser>(name, query, none).await?;
            Ok(Report::done(&done, &MEMBERS)?.noting(format!("the user {} is deleted", done.view.username)))
        }
    }
}
