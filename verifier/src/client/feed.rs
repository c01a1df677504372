//! Changes of a status list as the issuer pushes them: server-sent events at `{list}/changes`.
//!
//! `event: revoked`, `data: {"revoked": [[first, last], …]}`: these indexes are invalid. `event: reset`: fetch the list. The
//! `id` of the last event is sent back on the next connection, and what came behind it is told first; one of the two events
//! comes at once on each. Comments are sent as a sign of life.

use std::ops::RangeInclusive;
use std::sync::{Arc, Weak};
use std::time::Duration;

use reqwest::Url;

use super::list::List;
use super::sse::{Event, Parser};
use super::{Context, FetchError};

/// Three signs of life that did not come.
const SILENCE: Duration = Duration::from_secs(45);

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_mins(2);

#[derive(serde::Deserialize)]
struct Revoked {
    revoked: Vec<(u64, u64)>,
}

/// Follows the list for as long as anyone has it.
pub(super) async fn follow(context: Context, list: Weak<List>) {
    let mut revision = None;
    let mut pause = FIRST_PAUSE;
    while list.strong_count() > 0 {
        let mut was_connected = false;
        let Err(error) = session(&context, &list, &mut revision, &mut was_connected).await else { return };
        if let Some(list) = list.upgrade() {
            list.set_followed(false);
            tracing::debug!(%error, list = %list.url(), "the changes of a status list are no longer pushed");
        }
        if was_connected {
            pause = FIRST_PAUSE;
        }
        tokio::time::sleep(jittered(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// One connection, from its beginning to its end, which is always some failure; `Ok` when nobody has the list any more.
async fn session(
    context: &Context,
    list: &Weak<List>,
    revision: &mut Option<u64>,
    was_connected: &mut bool,
) -> Result<(), FetchError> {
    let Some(url) = list.upgrade().and_then(|list| changes_url(list.url())) else { return Ok(()) };
    let last_event_id = revision.map(|revision| revision.to_string());
    let mut stream = context.http.events(&url, last_event_id.as_deref()).await?;
    let mut parser = Parser::default();
    loop {
        let chunk = tokio::time::timeout(SILENCE, stream.chunk()).await.map_err(|_| FetchError::Timeout)??;
        let Some(chunk) = chunk else { return Err(FetchError::Connection("the stream has ended".into())) };
        let events = parser.feed(&chunk).map_err(|_| FetchError::Unusable("an endless event".into()))?;
        let Some(list) = list.upgrade() else { return Ok(()) };
        for event in events {
            apply(&list, &event, revision).await?;
            // With the first event the list is complete, and from here on no change is missed.
            if !*was_connected {
                list.set_followed(true);
                *was_connected = true;
            }
        }
    }
}

async fn apply(list: &Arc<List>, event: &Event, revision: &mut Option<u64>) -> Result<(), FetchError> {
    match event.name.as_str() {
        "revoked" => {
            let Revoked { revoked } =
                serde_json::from_str(&event.data).map_err(|error| FetchError::Unusable(error.to_string()))?;
            let revoked: Vec<RangeInclusive<u64>> = revoked.into_iter().map(|(first, last)| first..=last).collect();
            list.push(&revoked);
        }
        "reset" => {
            // Should it fail, all is begun anew.
            *revision = None;
            list.refetch().await?;
        }
        // Of a later version of the feed.
        _ => {}
    }
    if let Some(id) = event.id.as_deref().and_then(|id| id.parse().ok()) {
        *revision = Some(id);
    }
    Ok(())
}

fn changes_url(list: &Url) -> Option<Url> {
    let mut url = list.clone();
    url.path_segments_mut().ok()?.push("changes");
    Some(url)
}

/// From half of it to the whole: those who lost a connection together do not come back together.
fn jittered(pause: Duration) -> Duration {
    let mut random = [0; 2];
    // Without randomness there is no jitter, and nothing else is lost.
    let _ = aws_lc_rs::rand::fill(&mut random);
    pause / 2 + pause / 2 * u32::from(u16::from_ne_bytes(random)) / u32::from(u16::MAX)
}
