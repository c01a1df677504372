//! `signet webhook`: who is told of security events.

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::failure::Failure;
use super::output::Report;
use super::place::Place;
use super::prompts;
use crate::admin::Choice;
use crate::admin::operation::NoQuery;
use crate::admin::operations::webhooks::{
    CreateWebhook, DeleteWebhook, DeliveriesQuery, DisableWebhook, EnableWebhook, ListDeliveries, ListWebhooks,
    PollEvents, Redeliver, ShowWebhook, TestWebhook, UpdateWebhook,
};
use crate::admin::page::PageQuery;
use crate::admin::webhook_deliveries::{DeliveryState, DeliveryView};
use crate::admin::webhooks::{NewWebhook, WebhookChange, WebhookView};
use crate::protocol::security_event::{Delivery, Kind};
use crate::protocol::set_poll::PollRequest;

const MEMBERS: [&str; 7] = ["name", "delivery", "endpoint", "events", "has_authorization", "created_at", "disabled_at"];
const COLUMNS: [&str; 5] = ["name", "delivery", "endpoint", "events", "disabled_at"];
const DELIVERY: [&str; 10] = [
    "jti",
    "webhook",
    "kind",
    "state",
    "at",
    "attempts",
    "next_attempt_at",
    "last_error",
    "delivered_at",
    "given_up_at",
];
const DELIVERY_COLUMNS: [&str; 7] = ["jti", "kind", "state", "at", "attempts", "next_attempt_at", "last_error"];

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Makes a webhook; it is told of what happens from now on.
    Create(Create),
    /// Lists all webhooks.
    List,
    /// Shows a webhook.
    Show(Named),
    /// Changes a webhook; what is not given stays as it is.
    Update(Update),
    /// Tells the webhook nothing until it is enabled.
    Disable(Named),
    /// Tells the webhook again of what happens from now on, and what waited for it.
    Enable(Named),
    /// Removes the webhook and what is on its way to it.
    Delete(Named),
    /// Lists what was or is to be delivered, and what kept it.
    Deliveries {
        #[command(flatten)]
        named: Named,
        /// Lists only what is pending, failed or delivered.
        #[arg(long, value_name = "STATE", value_parser = state)]
        state: Option<DeliveryState>,
    },
    /// Delivers an event once more, with the same jti.
    Redeliver {
        /// Names the delivery by its jti.
        jti: Uuid,
    },
    /// Sends a verification event (SSF 1.0), to see that events arrive.
    Test(Named),
    /// Fetches events as a receiver that polls does (RFC 8936): those that wait, by their jti.
    Poll {
        #[command(flatten)]
        named: Named,
        /// Fetches so many at most.
        #[arg(long = "max", value_name = "NUMBER", default_value_t = 10)]
        most: u32,
        /// Acknowledges the event of this jti, which then comes no more.
        #[arg(long, value_name = "JTI")]
        ack: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub struct Named {
    /// Names the webhook.
    name: String,
}

#[derive(Debug, Args)]
pub struct Create {
    /// Gives the name, which is also the audience of events that are polled for.
    name: String,
    /// Chooses how events reach the receiver: push (RFC 8935) or poll (RFC 8936).
    #[arg(long, default_value = "push", value_name = "METHOD")]
    delivery: Delivery,
    /// Says where to push to: an https URL.
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Tells of this kind of event; without the flag, of all.
    #[arg(long = "event", value_name = "KIND")]
    events: Vec<Kind>,
    /// Sends the first line of standard input as the Authorization header, such as `Bearer TOKEN`.
    #[arg(long)]
    authorization_stdin: bool,
}

#[derive(Debug, Args)]
pub struct Update {
    #[command(flatten)]
    named: Named,
    /// Pushes to this https URL from now on.
    #[arg(long, value_name = "URL")]
    endpoint: Option<String>,
    /// Replaces the kinds that are told by those given.
    #[arg(long = "event", value_name = "KIND", conflicts_with = "all_events")]
    events: Option<Vec<Kind>>,
    /// Tells of every kind of event.
    #[arg(long)]
    all_events: bool,
    /// Sends the first line of standard input as the Authorization header from now on.
    #[arg(long, conflicts_with = "no_authorization")]
    authorization_stdin: bool,
    /// Sends no Authorization header any more.
    #[arg(long)]
    no_authorization: bool,
}

impl Update {
    fn into_change(self) -> Result<(String, WebhookChange), Failure> {
        let authorization = match (self.authorization_stdin, self.no_authorization) {
            (true, _) => Some(Choice::Own(prompts::first_line()?)),
            (false, true) => Some(Choice::Default),
            (false, false) => None,
        };
        let events = if self.all_events { Some(Vec::new()) } else { self.events };
        Ok((self.named.name, WebhookChange { endpoint: self.endpoint, events, authorization }))
    }
}

fn state(text: &str) -> Result<DeliveryState, String> {
    match text {
        "pending" => Ok(DeliveryState::Pending),
        "failed" => Ok(DeliveryState::Failed),
        "delivered" => Ok(DeliveryState::Delivered),
        _ => Err("must be one of pending, failed, delivered".to_owned()),
    }
}

pub async fn run(command: Command, place: &Place) -> Result<Report, Failure> {
    if let Command::Poll { named: Named { name }, most, ack } = command {
        let request = PollRequest { max_events: Some(most), return_immediately: true, ack, ..PollRequest::default() };
        let answer = place.console_of_issuer().await?.ask::<PollEvents>(name, NoQuery {}, request).await?;
        return Report::record(&answer, &["sets"]);
    }
    let console = place.console().await?;
    let (query, none) = (NoQuery {}, ());
    match command {
        Command::Poll { .. } => unreachable!("it was carried out above"),
        Command::Create(create) => {
            let Create { name, delivery, endpoint, events, authorization_stdin } = create;
            let authorization = if authorization_stdin { Some(prompts::first_line()?) } else { None };
            let new = NewWebhook { name, delivery, endpoint, events, authorization };
            Report::done(&console.ask::<CreateWebhook>((), query, new).await?, &MEMBERS)
        }
        Command::List => {
            let page = |cursor, limit| PageQuery { cursor, limit };
            Report::list(&console.all::<ListWebhooks, WebhookView>((), page).await?, &COLUMNS)
        }
        Command::Show(Named { name }) => {
            Report::record(&console.ask::<ShowWebhook>(name, query, none).await?, &MEMBERS)
        }
        Command::Update(update) => {
            let (name, change) = update.into_change()?;
            Report::done(&console.ask::<UpdateWebhook>(name, query, change).await?, &MEMBERS)
        }
        Command::Disable(Named { name }) => {
            Report::done(&console.ask::<DisableWebhook>(name, query, none).await?, &MEMBERS)
        }
        Command::Enable(Named { name }) => {
            Report::done(&console.ask::<EnableWebhook>(name, query, none).await?, &MEMBERS)
        }
        Command::Delete(Named { name }) => {
            let done = console.ask::<DeleteWebhook>(name, query, none).await?;
            let note = format!("the webhook {} is deleted", done.view.name);
            Ok(Report::done(&done, &MEMBERS)?.noting(note))
        }
        Command::Deliveries { named: Named { name }, state } => {
            let page = |cursor, limit| DeliveriesQuery { state, cursor, limit };
            Report::list(&console.all::<ListDeliveries, DeliveryView>(name, page).await?, &DELIVERY_COLUMNS)
        }
        Command::Redeliver { jti } => Report::done(&console.ask::<Redeliver>(jti, query, none).await?, &DELIVERY),
        Command::Test(Named { name }) => Report::done(&console.ask::<TestWebhook>(name, query, none).await?, &DELIVERY),
    }
}
