//! Where a command is carried out: here, beside the database, or at a server, over its administration API (`--server`). Both
//! go by the same operations, so that what is printed is the same.

use std::path::PathBuf;
use std::sync::Arc;

use super::compose;
use super::failure::Failure;
use super::remote::Remote;
use crate::admin::Admin;
use crate::admin::operation::Operation;
use crate::admin::page::{LARGEST, Page};
use crate::config::Config;

/// What the command line says of it.
pub struct Place {
    pub config: Config,
    pub server: Option<String>,
    pub profile: Option<PathBuf>,
}

/// Who carries operations out.
pub enum Console {
    Here(Box<Admin>),
    There(Remote),
}

impl Place {
    fn remote(&self) -> Result<Option<Remote>, Failure> {
        if self.server.is_none() && self.profile.is_none() {
            return Ok(None);
        }
        let profile = self.profile.as_deref().or(self.config.profile.as_deref());
        Remote::open(self.server.as_deref(), profile).map(Some)
    }

    pub async fn console(&self) -> Result<Console, Failure> {
        self.console_with(1).await
    }

    /// With so many threads to hash passwords on, where they are hashed here.
    pub async fn console_with(&self, password_workers: usize) -> Result<Console, Failure> {
        match self.remote()? {
            Some(remote) => Ok(Console::There(remote)),
            None => Ok(Console::Here(Box::new(compose::admin_with(&self.config, password_workers).await?))),
        }
    }

    /// For what has to know the issuer's tokens.
    pub async fn console_of_issuer(&self) -> Result<Console, Failure> {
        match self.remote()? {
            Some(remote) => Ok(Console::There(remote)),
            None => {
                let provider = Arc::new(compose::provider(&self.config).await?);
                Ok(Console::Here(Box::new(compose::administration(&provider, "cli"))))
            }
        }
    }

    /// The configuration of this machine.
    ///
    /// # Errors
    /// With `--server`, for a command that is carried out beside the database alone.
    pub fn here(&self, reason: &'static str) -> Result<&Config, Failure> {
        if self.server.is_none() && self.profile.is_none() {
            return Ok(&self.config);
        }
        Err(Failure::Usage(format!("this command takes no --server and no --profile: {reason}")))
    }
}

impl Console {
    pub async fn ask<O: Operation>(&self, path: O::Path, query: O::Query, body: O::Body) -> Result<O::Answer, Failure> {
        match self {
            Self::Here(admin) => Ok(O::perform(admin, path, query, body).await?),
            Self::There(remote) => remote.ask::<O>(&path, &query, &body).await,
        }
    }

    /// Everything of a list, page by page. `query` asks for the page behind a cursor, of so many.
    pub async fn all<O, T>(
        &self,
        path: O::Path,
        query: impl Fn(Option<String>, Option<i64>) -> O::Query,
    ) -> Result<Vec<T>, Failure>
    where
        O: Operation<Path: Clone, Body = (), Answer = Page<T>>,
    {
        let (mut all, mut cursor) = (Vec::new(), None);
        loop {
            let page = self.ask::<O>(path.clone(), query(cursor, Some(LARGEST)), ()).await?;
            all.extend(page.items);
            cursor = page.next;
            if cursor.is_none() {
                return Ok(all);
            }
        }
    }
}
