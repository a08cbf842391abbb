//! Connections as they arrive: so many at once, each with clocks on it, so that who says nothing or takes nothing does
//! not stay for ever. What a client says on a connection is the business of the protocols.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    time::Sleep,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

use crate::process;

/// Connections held at once, at most and at least.
const PLACES: (usize, usize) = (1024, 16);
/// Files that may be open where the system does not tell.
const FILES: usize = 256;
/// A client that does not finish its handshake is let go …
const HANDSHAKE: Duration = Duration::from_secs(10);
/// … and so is one that then does not say which protocol it speaks.
const GREETING: Duration = Duration::from_secs(10);
/// HTTP/2's greeting is so long; until they have it, the protocols keep no clock of their own.
const GREETING_BYTES: usize = 24;
/// A client that takes nothing of what is sent to it for so long is let go.
const STALLED: Duration = Duration::from_secs(30);
/// How long nothing is accepted after the system refused to: at once it would refuse again.
const REFUSED: Duration = Duration::from_millis(100);
/// Connections that wait to be taken up.
const PENDING: usize = 64;

/// A connection that was accepted.
pub(crate) struct Connection<S> {
    stream: S,
    /// Bytes of the greeting that are missing.
    missing: usize,
    greeting: Option<Pin<Box<Sleep>>>,
    stalled: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

/// Accepts connections, and opens each: handshakes run beside each other, so that one client that is slow does not hold
/// up the next. Ends, and closes the listener, when what it gives back is dropped.
pub(crate) fn accepted<S, O>(
    listener: TcpListener,
    open: impl Fn(TcpStream) -> O + Send + 'static,
) -> ReceiverStream<io::Result<Connection<S>>>
where
    S: Send + 'static,
    O: Future<Output = io::Result<S>> + Send + 'static,
{
    let (ready, connections) = mpsc::channel(PENDING);
    tokio::spawn(accept(listener, open, ready));
    ReceiverStream::new(connections)
}

async fn accept<S, O>(
    listener: TcpListener,
    open: impl Fn(TcpStream) -> O + Send + 'static,
    ready: mpsc::Sender<io::Result<Connection<S>>>,
) where
    S: Send + 'static,
    O: Future<Output = io::Result<S>> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(places()));
    loop {
        // Whoever finds no place waits in the system's own queue, which takes no file.
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, arrived) = tokio::select! {
            next = next => next,
            () = ready.closed() => return,
        };
        let Ok(place) = place else { return };
        let stream = match arrived {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::debug!("no connection accepted: {error}");
                if !matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset) {
                    tokio::time::sleep(REFUSED).await;
                }
                continue;
            }
        };
        // Without nodelay a small response waits 40 ms for the acknowledgement of the one before.
        let _ = stream.set_nodelay(true);
        let (opening, ready) = (open(stream), ready.clone());
        tokio::spawn(async move {
            match tokio::time::timeout(HANDSHAKE, opening).await {
                Ok(Ok(stream)) => {
                    let _ = ready.send(Ok(Connection::new(stream, place))).await;
                }
                Ok(Err(error)) => tracing::debug!("handshake: {error}"),
                Err(_) => tracing::debug!("a client did not finish its handshake"),
            }
        });
    }
}

/// Half of what may be open: generations and models are files too.
fn places() -> usize {
    let (most, least) = PLACES;
    (process::open_files().unwrap_or(FILES) / 2).clamp(least, most)
}

impl<S> Connection<S> {
    fn new(stream: S, place: OwnedSemaphorePermit) -> Self {
        let greeting = Some(Box::pin(tokio::time::sleep(GREETING)));
        Self { stream, missing: GREETING_BYTES, greeting, stalled: None, _place: place }
    }

    /// What became of an attempt to send: one that cannot be made starts the clock, any that can stops it.
    fn sent<T>(&mut self, sent: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        // Whoever is answered has said enough.
        self.greeting = None;
        if sent.is_ready() {
            self.stalled = None;
            return sent;
        }
        let clock = self.stalled.get_or_insert_with(|| Box::pin(tokio::time::sleep(STALLED)));
        if clock.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client takes nothing")));
        }
        Poll::Pending
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let connection = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut connection.stream).poll_read(context, buffer);
        connection.missing = connection.missing.saturating_sub(buffer.filled().len() - before);
        if connection.missing == 0 {
            connection.greeting = None;
        }
        let late = |clock: &mut Pin<Box<Sleep>>| clock.as_mut().poll(context).is_ready();
        if read.is_pending() && connection.greeting.as_mut().is_some_and(late) {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client says nothing")));
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let connection = self.get_mut();
        let sent = Pin::new(&mut connection.stream).poll_write(context, bytes);
        connection.sent(sent, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let connection = self.get_mut();
        let sent = Pin::new(&mut connection.stream).poll_write_vectored(context, parts);
        connection.sent(sent, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let connection = self.get_mut();
        let sent = Pin::new(&mut connection.stream).poll_flush(context);
        connection.sent(sent, context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let connection = self.get_mut();
        let sent = Pin::new(&mut connection.stream).poll_shutdown(context);
        connection.sent(sent, context)
    }
}

impl<S: Connected> Connected for Connection<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.stream.connect_info()
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
        sync::oneshot,
        time::{Instant, timeout},
    };

    use super::*;

    /// Longer than any clock here: what is not over by then has none.
    const LONG: Duration = Duration::from_secs(3600);

    /// A connection and its other end; 64 bytes may be on the way.
    async fn connection() -> (Connection<DuplexStream>, DuplexStream) {
        let (near, far) = tokio::io::duplex(64);
        let place = Arc::new(Semaphore::new(1)).acquire_owned().await.expect("free");
        (Connection::new(near, place), far)
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_greet_is_let_go() {
        let (mut near, mut far) = connection().await;
        far.write_all(b"PRI * HTTP/2").await.expect("sent");
        let mut said = [0; 64];
        assert_eq!(near.read(&mut said).await.expect("a beginning"), 12);
        let since = Instant::now();
        let read = timeout(LONG, near.read(&mut said)).await.expect("it has a clock");
        assert_eq!(read.expect_err("let go").kind(), io::ErrorKind::TimedOut);
        assert_eq!(since.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn who_greeted_may_be_silent() {
        let (mut near, mut far) = connection().await;
        far.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.expect("sent");
        let mut said = [0; 64];
        assert_eq!(near.read(&mut said).await.expect("a greeting"), GREETING_BYTES);
        assert!(tokio::time::timeout(GREETING * 10, near.read(&mut said)).await.is_err(), "it did not stay");
        // A request may be shorter than that greeting; it is over when it was answered.
        let (mut near, mut far) = connection().await;
        far.write_all(b"GET / HTTP/1.0\r\n\r\n").await.expect("sent");
        assert!(near.read(&mut said).await.expect("a request") > 0);
        near.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await.expect("sent");
        assert!(tokio::time::timeout(GREETING * 10, near.read(&mut said)).await.is_err(), "it did not stay");
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_let_go() {
        let (mut near, far) = connection().await;
        near.write_all(&[0; 64]).await.expect("on its way");
        let since = Instant::now();
        let written = timeout(LONG, near.write_all(&[0; 1])).await.expect("it has a clock");
        assert_eq!(written.expect_err("let go").kind(), io::ErrorKind::TimedOut);
        assert_eq!(since.elapsed().as_secs(), 30);
        drop(far);
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_finish_the_handshake_is_let_go() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (begun, mut handshakes) = mpsc::unbounded_channel();
        let connections = accepted(listener, move |stream| {
            let (held, let_go) = oneshot::channel::<()>();
            begun.send((Instant::now(), let_go)).expect("the test listens");
            async move {
                std::future::pending::<()>().await;
                drop(held);
                Ok(stream)
            }
        });
        let client = std::net::TcpStream::connect(address).expect("connects");
        let (since, let_go) = handshakes.recv().await.expect("a handshake");
        timeout(LONG, let_go).await.expect("it has a clock").expect_err("it is dropped");
        assert_eq!(since.elapsed().as_secs(), 10);
        drop((client, connections));
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_a_little_at_a_time_stays() {
        let (mut near, mut far) = connection().await;
        let slow = tokio::spawn(async move {
            let mut taken = [0; 8];
            for _ in 0..32 {
                tokio::time::sleep(STALLED / 2).await;
                far.read_exact(&mut taken).await.expect("sent");
            }
        });
        near.write_all(&[0; 256]).await.expect("taken");
        slow.await.expect("all was taken");
    }
}
