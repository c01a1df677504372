//! Asking the audit trail, and verifying that nobody has altered it.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Admin, Error};
pub use crate::audit::findings::Verification;
use crate::audit::verify::verify;
use crate::store::audit_events::pages::{self, Direction, Place, Selection};
use crate::store::audit_events::{AuditEvent, Outcome};

/// Events of one page, at most.
pub const LARGEST_PAGE: i64 = 1000;

/// Which events: all that match everything that is given.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// A username. Of whom the event is, or who did it.
    pub user: Option<String>,
    /// A `client_id`, in the same way.
    pub client: Option<String>,
    /// The whole of it: `cli`, `client:erp`.
    pub actor: Option<String>,
    /// An action (`login.failure`), or the beginning of several, which ends with a dot (`login.`).
    pub action: Option<String>,
    pub from: Option<DateTime<Utc>>,
    /// Up to this time, itself not included.
    pub until: Option<DateTime<Utc>>,
    pub outcome: Option<Outcome>,
}

/// Where an event is among all: what a page goes on from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Cursor {
    pub at: DateTime<Utc>,
    pub id: Uuid,
}

/// Which page.
#[derive(Clone, Copy, Debug)]
pub enum Page {
    Newest,
    /// The newest of those that are older.
    Before(Cursor),
    /// The oldest of those that are newer.
    After(Cursor),
}

/// An event as it is answered.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize, ToSchema)]
pub struct EventView {
    pub id: Uuid,
    pub at: DateTime<Utc>,
    pub actor: String,
    pub action: String,
    pub target: String,
    pub outcome: String,
    /// Differs by action; never a secret.
    pub details: Value,
    pub address: Option<String>,
    pub request_id: Option<String>,
    /// The seal that vouches for it; none for about an hour.
    pub seal: Option<i64>,
}

impl EventView {
    pub fn cursor(&self) -> Cursor {
        Cursor { at: self.at, id: self.id }
    }
}

impl From<AuditEvent> for EventView {
    fn from(event: AuditEvent) -> Self {
        Self {
            id: event.id,
            at: event.at,
            actor: event.actor,
            action: event.action,
            target: event.target,
            outcome: event.outcome,
            details: event.details.0,
            address: event.address,
            request_id: event.request_id,
            seal: event.seal,
        }
    }
}

impl Admin {
    /// A page of events, the newest first.
    pub async fn audit_events(&self, filter: &Filter, page: Page, limit: i64) -> Result<Vec<EventView>, Error> {
        match page {
            Page::Newest => self.events(filter, Direction::Back(None), limit).await,
            Page::Before(cursor) => self.events(filter, Direction::Back(Some(cursor.place())), limit).await,
            Page::After(cursor) => {
                let mut found = self.events(filter, Direction::On(Some(cursor.place())), limit).await?;
                found.reverse();
                Ok(found)
            }
        }
    }

    /// The same from the beginning on, the oldest first: for all of them, page after page.
    pub async fn audit_events_from(
        &self,
        filter: &Filter,
        after: Option<Cursor>,
        limit: i64,
    ) -> Result<Vec<EventView>, Error> {
        self.events(filter, Direction::On(after.map(Cursor::place)), limit).await
    }

    /// Computes every seal again. Takes as long as it takes to read all events.
    pub async fn verify_audit_trail(&self) -> Result<Verification, Error> {
        Ok(verify(&self.store, &self.keys, &self.clock).await?)
    }

    async fn events(&self, filter: &Filter, direction: Direction, limit: i64) -> Result<Vec<EventView>, Error> {
        if !(1..=LARGEST_PAGE).contains(&limit) {
            return Err(Error::invalid("limit", format!("must be from 1 to {LARGEST_PAGE}")));
        }
        let texts = [&filter.user, &filter.client, &filter.actor, &filter.action];
        if texts.into_iter().flatten().any(|text| text.contains('\0')) {
            // No row has such a text, and PostgreSQL would fail on it.
            return Ok(Vec::new());
        }
        let mut connection = self.store.reading().await?;
        let actions = match &filter.action {
            Some(prefix) if prefix.ends_with('.') => {
                let all = pages::actions(&mut connection).await?;
                Some(all.into_iter().filter(|action| action.starts_with(prefix.as_str())).collect())
            }
            exact => exact.clone().map(|action| vec![action]),
        };
        let mut found = Vec::new();
        for selection in selections(filter, actions) {
            found.extend(pages::page(&mut connection, &selection, direction, limit).await?);
        }
        let key = |event: &AuditEvent| (event.at, event.id);
        match direction {
            Direction::Back(_) => found.sort_unstable_by_key(|event| std::cmp::Reverse(key(event))),
            Direction::On(_) => found.sort_unstable_by_key(key),
        }
        found.dedup_by_key(|event| event.id);
        let page = found.into_iter().take(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(page.map(EventView::from).collect())
    }
}

impl Cursor {
    fn place(self) -> Place {
        (self.at, self.id)
    }
}

/// What the filter asks for, in questions that one index answers each, in order: who is meant may be actor or target, and
/// several actions are next to each other in no index.
fn selections(filter: &Filter, actions: Option<Vec<String>>) -> Vec<Selection> {
    let Filter { actor, from, until, outcome, .. } = filter;
    let all = Selection { actor: actor.clone(), from: *from, until: *until, outcome: *outcome, ..Selection::default() };
    let mut found = vec![all];
    for (kind, name) in [("user", &filter.user), ("client", &filter.client)] {
        let Some(name) = name else { continue };
        let name = format!("{kind}:{name}");
        let may_be = |taken: &Option<String>| taken.as_ref().is_none_or(|taken| *taken == name);
        let mut narrowed = Vec::new();
        for selection in found {
            if may_be(&selection.actor) {
                narrowed.push(Selection { actor: Some(name.clone()), ..selection.clone() });
            }
            if may_be(&selection.target) {
                narrowed.push(Selection { target: Some(name.clone()), ..selection });
            }
        }
        found = narrowed;
    }
    let Some(actions) = actions else { return found };
    let with = |selection: &Selection, actions| Selection { actions: Some(actions), ..selection.clone() };
    if found.iter().all(|selection| selection.actor.is_none() && selection.target.is_none()) {
        let each = |selection| actions.iter().map(move |action| (selection, action.clone()));
        return found.iter().flat_map(each).map(|(selection, action)| with(selection, vec![action])).collect();
    }
    found.iter().map(|selection| with(selection, actions.clone())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(actor: Option<&str>, target: Option<&str>) -> Selection {
        Selection { actor: actor.map(str::to_owned), target: target.map(str::to_owned), ..Selection::default() }
    }

    #[test]
    fn who_is_meant_may_have_done_it_or_have_had_it_done() {
        let alice = Filter { user: Some("alice".to_owned()), ..Filter::default() };
        let expected = [named(Some("user:alice"), None), named(None, Some("user:alice"))];
        assert_eq!(selections(&alice, None), expected);

        let both = Filter { client: Some("erp".to_owned()), ..alice.clone() };
        let expected = [named(Some("user:alice"), Some("client:erp")), named(Some("client:erp"), Some("user:alice"))];
        assert_eq!(selections(&both, None), expected);

        let by_the_command_line = Filter { actor: Some("cli".to_owned()), ..alice };
        assert_eq!(selections(&by_the_command_line, None), [named(Some("cli"), Some("user:alice"))]);
    }

    #[test]
    fn each_of_several_actions_is_asked_for_by_itself_unless_somebody_is_named() {
        let actions = || Some(vec!["login.failure".to_owned(), "login.success".to_owned()]);
        assert_eq!(selections(&Filter::default(), actions()).len(), 2);
        let by = Filter { actor: Some("client:erp".to_owned()), ..Filter::default() };
        assert_eq!(selections(&by, actions()), [Selection { actions: actions(), ..named(Some("client:erp"), None) }]);
        assert!(selections(&Filter::default(), Some(Vec::new())).is_empty(), "no such action");
    }
}
