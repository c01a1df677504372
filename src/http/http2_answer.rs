//! Sending an answer by HTTP/2, as fast as its client takes it and no slower than it must (RFC 9113 §8.1, §5.2).

use std::pin::pin;
use std::task::Poll;

use actix_http::Response;
use actix_http::body::{BodySize, BoxBody, MessageBody as _};
use actix_web::http::StatusCode;
use actix_web::http::header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use actix_web::web::Bytes;
use futures_util::future::poll_fn;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use tokio::time::{Instant, timeout_at};

use super::http2::Terms;

/// The client has gone, resets the stream, or does not take what is sent.
#[derive(Debug)]
pub struct Untaken;

/// So much at once is asked to be sent.
const CHUNK: usize = 16 * 1024;
/// So much of an answer must be taken within the patience, unless it is all there is.
const TAKEN_IN_TIME: usize = 64 * 1024;

pub async fn send(
    response: Response<BoxBody>,
    answer: &mut SendResponse<Bytes>,
    is_head: bool,
    terms: &Terms,
) -> Result<(), Untaken> {
    let (response, body) = response.into_parts();
    let size = body.size();
    let is_bare = is_head || size.is_eof() || is_empty(response.status());
    let head = head(&response, size, terms);
    let mut stream = answer.send_response(head, is_bare).map_err(|_| Untaken)?;
    if is_bare {
        return Ok(());
    }
    let mut body = pin!(body);
    loop {
        // Whoever listens for events may leave long before there is the next.
        let next = poll_fn(|context| match stream.poll_reset(context) {
            Poll::Ready(_) => Poll::Ready(Err(Untaken)),
            Poll::Pending => body.as_mut().poll_next(context).map(Ok),
        });
        let Some(chunk) = next.await? else { break };
        let Ok(chunk) = chunk else {
            stream.send_reset(Reason::INTERNAL_ERROR);
            return Err(Untaken);
        };
        send_chunk(&mut stream, chunk, terms).await?;
    }
    stream.send_data(Bytes::new(), true).map_err(|_| Untaken)
}

async fn send_chunk(stream: &mut SendStream<Bytes>, mut chunk: Bytes, terms: &Terms) -> Result<(), Untaken> {
    let mut deadline = Instant::now() + terms.patience;
    let mut taken = 0;
    while !chunk.is_empty() {
        stream.reserve_capacity(chunk.len().min(CHUNK));
        let capacity = match timeout_at(deadline, poll_fn(|context| stream.poll_capacity(context))).await {
            Ok(Some(Ok(0))) => continue,
            Ok(Some(Ok(capacity))) => capacity.min(chunk.len()),
            Ok(_) => return Err(Untaken),
            Err(_elapsed) => {
                stream.send_reset(Reason::CANCEL);
                return Err(Untaken);
            }
        };
        stream.send_data(chunk.split_to(capacity), false).map_err(|_| Untaken)?;
        taken += capacity;
        if taken >= TAKEN_IN_TIME {
            (taken, deadline) = (0, Instant::now() + terms.patience);
        }
    }
    Ok(())
}

/// Has no content, whatever its fields say (RFC 9110 §15.3.5, §15.4.5).
fn is_empty(status: StatusCode) -> bool {
    status.is_informational() || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

fn head(response: &Response<()>, size: BodySize, terms: &Terms) -> http::Response<()> {
    let mut head = http::Response::new(());
    *head.status_mut() = response.status();
    *head.version_mut() = http::Version::HTTP_2;
    let fields = head.headers_mut();
    for (name, value) in response.headers() {
        // RFC 9113 §8.2.2: fields that are about a connection by HTTP/1.
        let is_of_connection = [CONNECTION, TRANSFER_ENCODING, UPGRADE].contains(name)
            || matches!(name.as_str(), "keep-alive" | "proxy-connection");
        if !is_of_connection {
            fields.append(name, value.clone());
        }
    }
    if let BodySize::Sized(length) = size
        && !is_empty(response.status())
    {
        fields.insert(CONTENT_LENGTH, length.into());
    }
    if !fields.contains_key(DATE) {
        let date = terms.clock.now().format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        if let Ok(date) = HeaderValue::try_from(date) {
            fields.insert(DATE, date);
        }
    }
    head
}
