//! What every request is under: its body has to arrive, and a panic of ours is an error like others, told to the one
//! who asked.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::{Pin, pin},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use axum::{
    BoxError,
    body::{Body, BodyDataStream, Bytes, HttpBody},
    extract::Request,
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::time::Sleep;
use tokio_stream::Stream;
use tonic::Code;

use crate::{access::is_grpc, convert, http::failed};

/// A body that is not there after so long is not waited for. It holds for streams of requests too: only reflection has
/// them.
const ARRIVING: Duration = Duration::from_secs(30);

/// When a request's head was there; deadlines are counted from then.
#[derive(Clone, Copy)]
pub(crate) struct Arrived(pub Instant);

/// Lets a request through.
pub(crate) async fn guard(mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(Arrived(Instant::now()));
    let speaks_grpc = is_grpc(request.headers());
    let mut answering = pin!(next.run(request.map(arriving)));
    let answered = poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| answering.as_mut().poll(context))) {
        Ok(polled) => polled.map(Some),
        Err(_) => Poll::Ready(None),
    });
    if let Some(response) = answered.await {
        return response;
    }
    let status = convert::broken();
    if speaks_grpc { status.into_http::<Body>().into_response() } else { failed(&status) }
}

fn arriving(body: Body) -> Body {
    if body.is_end_stream() {
        return body;
    }
    Body::from_stream(Arriving { body: body.into_data_stream(), late: Box::pin(tokio::time::sleep(ARRIVING)) })
}

/// A body with a clock.
struct Arriving {
    body: BodyDataStream,
    late: Pin<Box<Sleep>>,
}

impl Stream for Arriving {
    type Item = Result<Bytes, BoxError>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let arriving = self.get_mut();
        if let Poll::Ready(piece) = Pin::new(&mut arriving.body).poll_next(context) {
            return Poll::Ready(piece.map(|piece| piece.map_err(Into::into)));
        }
        if arriving.late.as_mut().poll(context).is_ready() {
            let told = format!("the request did not arrive within {} s", ARRIVING.as_secs());
            return Poll::Ready(Some(Err(Box::new(convert::error(Code::DeadlineExceeded, "TOO_LATE", told)))));
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read, Write},
        net::{SocketAddr, TcpStream},
    };

    use axum::{Router, routing::get};

    use super::*;

    fn breaks() -> &'static str {
        panic!("as it was told to");
    }

    fn asked(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).expect("connects");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut told = String::new();
        stream.read_to_string(&mut told).expect("an answer");
        told
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_panic_is_told_to_who_asked_and_to_nobody_else() {
        let router =
            Router::new().route("/breaks", get(|| async { breaks() })).route("/holds", get(|| async { "held" }));
        let router = router.layer(axum::middleware::from_fn(guard));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move { axum::serve(listener, router).await });
        let ask = |path: &str, more: &str| {
            let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{more}\r\n");
            async move { tokio::task::spawn_blocking(move || asked(address, &request)).await.expect("asked") }
        };
        let told = ask("/breaks", "").await;
        assert!(told.starts_with("HTTP/1.1 500 ") && told.contains("\"INTERNAL\""), "{told}");
        assert!(told.contains("\"BROKEN\"") && !told.contains("as it was told to"), "{told}");
        let told = ask("/breaks", "content-type: application/grpc\r\n").await;
        assert!(told.starts_with("HTTP/1.1 200 ") && told.contains("grpc-status: 13\r\n"), "{told}");
        assert!(ask("/holds", "").await.ends_with("held"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_is_given_up() {
        let (sender, receiver) = tokio::sync::mpsc::channel::<Result<Bytes, BoxError>>(1);
        sender.send(Ok(Bytes::from_static(b"half"))).await.expect("sent");
        let body = Body::from_stream(tokio_stream::wrappers::ReceiverStream::new(receiver));
        let given_up = axum::body::to_bytes(arriving(body), 1024).await.expect_err("given up");
        assert!(given_up.to_string().contains("did not arrive"), "{given_up}");
        drop(sender);
    }
}
