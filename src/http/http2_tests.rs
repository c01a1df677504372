//! The dispatcher over services that no route is like: what panics, and where, costs its own stream.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;

use actix_http::body::{BodySize, MessageBody};
use actix_service::fn_service;
use futures_util::StreamExt as _;
use h2::client::SendRequest;
use tokio::sync::Notify;

use super::*;
use crate::http::limits::Connections;

/// However busy the machine is.
const BOUND: Duration = Duration::from_secs(20);

/// A body that begins and then panics.
struct Panicking(bool);

impl MessageBody for Panicking {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Stream
    }

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Infallible>>> {
        assert!(!std::mem::replace(&mut self.0, true), "a body that panics");
        Poll::Ready(Some(Ok(Bytes::from_static(b"begun"))))
    }
}

/// A client of a server that answers by path, and what lets `/waits` go on.
async fn connected() -> (SendRequest<Bytes>, Rc<Notify>) {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let taken = Arc::new(Connections::new(1, 0)).admit(None, false).unwrap();
    let terms = Terms {
        arrival: BOUND,
        patience: BOUND,
        keep_alive: BOUND,
        clock: Clock::manual(chrono::DateTime::UNIX_EPOCH),
    };
    let notify = Rc::new(Notify::new());
    let waiting = notify.clone();
    let app = fn_service::<_, _, Request, _, _, ()>(move |mut request: Request| {
        assert_ne!(request.path(), "/panics-at-once");
        let waiting = waiting.clone();
        async move {
            match request.path() {
                "/panics" => {
                    rt::task::yield_now().await;
                    panic!("a service that panics");
                }
                "/panics-in-its-body" => return Ok(Response::ok().set_body(Panicking(false)).map_into_boxed_body()),
                "/waits" => waiting.notified().await,
                _ => {}
            }
            let mut length = 0;
            while let Some(chunk) = request.payload().next().await {
                length += chunk.map_or(0, |chunk| chunk.len());
            }
            Ok::<_, Response<BoxBody>>(Response::ok().set_body(length.to_string()).map_into_boxed_body())
        }
    });
    rt::spawn(async move {
        let connection = Connection::untimed(ours, taken.seat().clone(), BOUND);
        serve(connection, None, Rc::new(app), terms, pending()).await
    });
    let (client, connection) = h2::client::handshake(theirs).await.unwrap();
    rt::spawn(connection);
    (client.ready().await.unwrap(), notify)
}

/// The status and the content, or why the stream was reset.
async fn outcome(
    answer: impl Future<Output = Result<http::Response<RecvStream>, h2::Error>>,
) -> Result<String, Reason> {
    let whole = async {
        let (head, mut body) = answer.await?.into_parts();
        let mut text = head.status.as_u16().to_string() + " ";
        while let Some(chunk) = body.data().await {
            text += &String::from_utf8_lossy(&chunk?);
        }
        Ok(text)
    };
    let whole = tokio::time::timeout(BOUND, whole).await.expect("it is answered");
    whole.map_err(|error: h2::Error| error.reason().expect("the connection is there"))
}

fn ask(client: &mut SendRequest<Bytes>, path: &str) -> impl Future<Output = Result<String, Reason>> + use<> {
    let request = http::Request::get(format!("http://a{path}")).body(()).unwrap();
    let (answer, _) = client.send_request(request, true).unwrap();
    outcome(answer)
}

#[actix_web::test]
async fn what_panics_costs_its_own_stream_and_no_other() {
    let (mut client, notify) = connected().await;
    let waiting = rt::spawn(ask(&mut client, "/waits"));
    // More often than there may be streams, or than a client is forgiven what it gives up.
    for _ in 0..70 {
        for path in ["/panics", "/panics-at-once", "/panics-in-its-body"] {
            assert_eq!(ask(&mut client, path).await, Err(Reason::INTERNAL_ERROR), "{path}");
        }
        assert_eq!(ask(&mut client, "/").await.as_deref(), Ok("200 0"));
    }
    notify.notify_one();
    assert_eq!(waiting.await.unwrap().as_deref(), Ok("200 0"));
}

#[actix_web::test]
async fn content_is_read_where_it_means_something() {
    let (mut client, notify) = connected().await;
    for (method, path, read) in [("POST", "/waits", "200 10"), ("GET", "/waits", "200 0"), ("HEAD", "/waits", "200 ")] {
        let request = http::Request::builder().method(method).uri(format!("http://a{path}")).body(()).unwrap();
        let (answer, mut content) = client.send_request(request, false).unwrap();
        let mut other = client.clone();
        let (answer, ()) = tokio::join!(outcome(answer), async {
            for _ in 0..10 {
                content.send_data(Bytes::from_static(b"x"), false).unwrap();
                rt::task::yield_now().await;
            }
            content.send_data(Bytes::new(), true).unwrap();
            // All of it has arrived when what was sent after it is answered: a stream that is not ended is reset (§8.1).
            assert_eq!(ask(&mut other, "/").await.as_deref(), Ok("200 0"));
            notify.notify_one();
        });
        assert_eq!(answer.as_deref(), Ok(read), "{method}");
    }
    // More than a window: what is read makes room for the rest.
    let request = http::Request::post("http://a/").body(()).unwrap();
    let (answer, mut content) = client.send_request(request, false).unwrap();
    content.send_data(vec![0; 200_000].into(), true).unwrap();
    assert_eq!(outcome(answer).await.as_deref(), Ok("200 200000"));
}
