//! Tickets: what a page in a browser follows the feed with, because `EventSource` sends no headers.
//!
//! A ticket says which key it stands for and until when, and carries a mark that only the installation can make: nothing is stored,
//! so it works on every node and after a restart, and as often as the browser comes again. It opens the feed and nothing else,
//! never does more than its key, and ends with it. Personal data is shown only by tickets that were asked to.

use crate::Api;
use crate::auth::{self, Standing};
use crate::body::JsonBody;
use crate::headers::Occasion;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use chrono::{DateTime, TimeDelta, Utc};
use commands::{Caller, Scope};
use serde::{Deserialize, Serialize};
use store::personal_data::TicketKey;
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

const SECONDS: i64 = 3_600;
const SECONDS_MAX: i64 = 86_400;
const FORMAT: u8 = 1;
/// Format, digest of the key, end in seconds, whether personal data is shown.
const SAID_BYTES: usize = 1 + 32 + 8 + 1;
const MARK_BYTES: usize = 32;

/// What a ticket says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ticket {
    digest: [u8; 32],
    expires_at: i64,
    personal: bool,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TicketBody {
    /// How long it works.
    #[schema(minimum = 1, maximum = 86400, default = 3600, example = 3600)]
    seconds: Option<i64>,
    /// Whether personal data is shown. Needs `customers:pii`, too.
    #[serde(default)]
    personal: bool,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TicketView {
    #[schema(example = "0100…")]
    ticket: String,
    expires_at: DateTime<Utc>,
}

/// Who follows the feed, until when, and whether with personal data.
pub(super) struct Admitted {
    pub(super) caller: Caller,
    pub(super) standing: Standing,
    pub(super) reveal: bool,
}

/// Gives out a ticket, with which a page in a browser follows the feed.
#[utoipa::path(
    post, path = "/v1/feed/tickets", tag = "feed", operation_id = "issue_feed_ticket",
    request_body = TicketBody,
    responses(
        (status = 201, description = "A ticket", body = TicketView),
        (status = 409, description = "no_key_to_stand_for"),
    ),
    security(("key" = [Scope::FeedRead])),
)]
pub(super) async fn issue(
    State(api): State<Api>,
    caller: Caller,
    headers: HeaderMap,
    JsonBody(body): JsonBody<TicketBody>,
) -> Result<(StatusCode, Json<TicketView>), Problem> {
    caller.require(Scope::FeedRead)?;
    if body.personal {
        caller.require(Scope::CustomersPii)?;
    }
    let seconds = body.seconds.unwrap_or(SECONDS);
    if !(1..=SECONDS_MAX).contains(&seconds) {
        let detail = format!("a ticket is for 1 to {SECONDS_MAX} seconds");
        return Err(Problem::invalid_field("/seconds", "out_of_range", detail));
    }
    let Some(digest) = Standing::of(&headers).digest else {
        let detail = "an open server needs no tickets: the feed opens without one";
        return Err(Problem::new(StatusCode::CONFLICT, "no_key_to_stand_for", detail));
    };
    let until = caller.now + TimeDelta::seconds(seconds);
    let ticket = Ticket { digest, expires_at: until.timestamp(), personal: body.personal };
    let view = TicketView { ticket: ticket.text(&api.ticket_key), expires_at: ticket.end()? };
    Ok((StatusCode::CREATED, Json(view)))
}

/// Whoever asks for the feed: by the key in a header, or else by a ticket.
pub(super) async fn admit(api: &Api, request: &Parts, ticket: Option<&str>) -> Result<Admitted, Problem> {
    let occasion = request.extensions.get::<Occasion>().cloned().unwrap_or_default();
    let standing = Standing::of(&request.headers);
    match ticket.filter(|_| standing.digest.is_none()) {
        None => {
            let caller = auth::authenticate(api, &request.headers, &occasion).await?;
            let reveal = caller.require(Scope::CustomersPii).is_ok();
            Ok(Admitted { caller, standing, reveal })
        }
        Some(text) => {
            let (ticket, end, caller) = auth::counted(api, &occasion, by_ticket(api, text, &occasion).await)?;
            let reveal = ticket.personal && caller.require(Scope::CustomersPii).is_ok();
            let standing = Standing { digest: Some(ticket.digest), expires_at: Some(end) };
            Ok(Admitted { caller, standing, reveal })
        }
    }
}

/// Whose ticket it is, and until when it works.
async fn by_ticket(api: &Api, text: &str, occasion: &Occasion) -> Result<(Ticket, DateTime<Utc>, Caller), Problem> {
    let ticket = Ticket::read(text, &api.ticket_key).ok_or_else(auth::ticket_unknown)?;
    let end = ticket.end()?;
    if end <= api.clock.now() {
        return Err(auth::ticket_expired());
    }
    Ok((ticket, end, auth::caller_with(api, ticket.digest, occasion).await?))
}

impl Ticket {
    fn said(&self) -> [u8; SAID_BYTES] {
        let mut said = [0; SAID_BYTES];
        said[0] = FORMAT;
        said[1..33].copy_from_slice(&self.digest);
        said[33..41].copy_from_slice(&self.expires_at.to_be_bytes());
        said[41] = self.personal.into();
        said
    }

    fn text(&self, key: &TicketKey) -> String {
        let said = self.said();
        hex::encode([&said[..], &key.mark(&said)].concat())
    }

    /// None: the mark is not this key's, or it is no ticket at all.
    fn read(text: &str, key: &TicketKey) -> Option<Self> {
        let mut bytes = [0; SAID_BYTES + MARK_BYTES];
        hex::decode_to_slice(text, &mut bytes).ok()?;
        let (said, mark) = bytes.split_at(SAID_BYTES);
        if !bool::from(key.mark(said).ct_eq(mark)) || said[0] != FORMAT {
            return None;
        }
        let digest = said[1..33].try_into().ok()?;
        let expires_at = i64::from_be_bytes(said[33..41].try_into().ok()?);
        Some(Self { digest, expires_at, personal: said[41] == 1 })
    }

    fn end(&self) -> Result<DateTime<Utc>, Problem> {
        DateTime::from_timestamp_secs(self.expires_at).ok_or_else(auth::ticket_unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::Ticket;
    use store::personal_data::Keys;

    #[test]
    fn a_ticket_is_read_by_the_key_that_marked_it_and_as_it_was_marked() {
        let (key, other) = (Keys::random().master.ticket_key(), Keys::random().master.ticket_key());
        let ticket = Ticket { digest: [7; 32], expires_at: 1_790_000_000, personal: false };
        let text = ticket.text(&key);
        assert_eq!(Ticket::read(&text, &key), Some(ticket));
        assert_eq!(Ticket::read(&text, &other), None);
        for index in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[index] = if changed[index] == b'0' { b'1' } else { b'0' };
            let changed = String::from_utf8(changed).expect("digits");
            assert_eq!(Ticket::read(&changed, &key), None, "digit {index}");
        }
        for garbage in ["", "0", "zz", &text[2..], &format!("{text}00")] {
            assert_eq!(Ticket::read(garbage, &key), None, "{garbage}");
        }
    }
}
