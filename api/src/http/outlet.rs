//! Where a long answer is written: to a reader who takes it as fast as it can, and is told when not everything came.

use crate::envelope;
use crate::problem::Problem;
use axum::body::Body;
use bytes::Bytes;
use commands::CommandError;
use futures::{StreamExt, stream};
use std::future::Future;
use std::io;
use store::StoreError;
use tokio::sync::mpsc;
use tracing::Instrument;

/// Written so much at a time.
const PIECE: usize = 32 * 1024;
/// So many pieces lie ready for the reader.
const PIECES: usize = 2;

/// What the reader is sent next.
enum Said {
    Piece(Bytes),
    End,
}

/// A writer to a reader far away.
pub(super) struct Outlet {
    reader: mpsc::Sender<Said>,
    text: String,
}

/// Why it was not written to the end.
pub(super) enum Broken {
    /// The reader is gone.
    Left,
    /// It cannot be read here.
    Failed(Problem),
}

impl From<StoreError> for Broken {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<CommandError> for Broken {
    fn from(error: CommandError) -> Self {
        Self::Failed(error.into())
    }
}

impl From<serde_json::Error> for Broken {
    fn from(error: serde_json::Error) -> Self {
        Self::Failed(Problem::internal().because(error))
    }
}

impl From<askama::Error> for Broken {
    fn from(error: askama::Error) -> Self {
        Self::Failed(Problem::internal().because(error))
    }
}

impl Outlet {
    /// Writes a text, and waits when the reader is slower.
    pub(super) async fn write(&mut self, text: &str) -> Result<(), Broken> {
        self.text.push_str(text);
        if self.text.len() < PIECE { Ok(()) } else { self.flush().await }
    }

    /// Sends what is written, and finds out whether anybody reads it.
    pub(super) async fn flush(&mut self) -> Result<(), Broken> {
        if self.text.is_empty() {
            return if self.reader.is_closed() { Err(Broken::Left) } else { Ok(()) };
        }
        let piece = Bytes::from(std::mem::take(&mut self.text));
        self.reader.send(Said::Piece(piece)).await.map_err(|_| Broken::Left)
    }

    async fn end(mut self) -> Result<(), Broken> {
        self.flush().await?;
        self.reader.send(Said::End).await.map_err(|_| Broken::Left)
    }
}

/// An answer that is written while it is read. Whatever stops the writer, a panic too, breaks the connection off, so that nobody takes a
/// part for the whole.
pub(super) fn body<F>(write: impl FnOnce(Outlet) -> F + Send + 'static) -> Body
where
    F: Future<Output = Result<Outlet, Broken>> + Send + 'static,
{
    let (reader, pieces) = mpsc::channel(PIECES);
    let written = write(Outlet { reader, text: String::with_capacity(PIECE) });
    let to_its_end = async move {
        let ended = match written.await {
            Ok(outlet) => outlet.end().await,
            Err(broken) => Err(broken),
        };
        if let Err(Broken::Failed(problem)) = ended {
            envelope::log(&problem);
        }
    };
    tokio::spawn(to_its_end.in_current_span());
    let said = stream::unfold(Some(pieces), |pieces| async {
        let mut pieces = pieces?;
        match pieces.recv().await {
            Some(Said::Piece(piece)) => Some((Ok(piece), Some(pieces))),
            Some(Said::End) => None,
            None => Some((Err(io::Error::other("it could not be written to its end")), None)),
        }
    });
    // Who compresses it asks once more behind its end.
    Body::from_stream(said.fuse())
}

#[cfg(test)]
mod tests {
    use super::{Broken, Outlet, PIECE, body};
    use crate::problem::Problem;
    use futures::StreamExt;

    async fn read(body: axum::body::Body) -> Result<usize, String> {
        axum::body::to_bytes(body, usize::MAX).await.map(|bytes| bytes.len()).map_err(|error| error.to_string())
    }

    async fn much(mut outlet: Outlet) -> Result<Outlet, Broken> {
        for _ in 0..5 {
            outlet.write(&"x".repeat(PIECE)).await?;
        }
        outlet.write("end").await?;
        Ok(outlet)
    }

    #[tokio::test]
    async fn the_end_is_told_as_often_as_somebody_asks() {
        let mut pieces = body(much).into_data_stream();
        while pieces.next().await.is_some() {}
        assert!(pieces.next().await.is_none());
    }

    #[tokio::test]
    async fn all_of_it_arrives_and_a_part_is_no_whole() {
        assert_eq!(read(body(much)).await, Ok(5 * PIECE + 3));
        let failing = body(|outlet| async { much(outlet).await.and(Err(Broken::Failed(Problem::busy()))) });
        assert!(read(failing).await.is_err());
        let panicking = body(|outlet| async { much(outlet).await.map(|_| panic!("planned")) });
        assert!(read(panicking).await.is_err());
    }
}
