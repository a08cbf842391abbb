//! A published index, opened: one thread holds the connection, and whoever searches asks it by message.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, channel, sync_channel},
    },
    thread,
};

use frontload_index::{Ask, Elsewhere, Reader};

use crate::{ClusterError, Connection, lanes::Lanes, publication::Publication};

/// Opens what is published in a cluster. It is searched as a generation on disk is.
///
/// # Errors
/// When the cluster does not answer, or nothing of ours is published there.
pub fn open(connection: &Connection) -> Result<Reader, ClusterError> {
    let (asks, asked) = channel();
    let (opened, opening) = sync_channel(1);
    let own = connection.clone();
    let started = thread::Builder::new().name("milvus".to_owned()).spawn(move || hold(&own, &asked, &opened));
    started.map_err(ClusterError::Runtime)?;
    let closed = || std::io::Error::other("the thread ended before it had connected");
    let Publication { manifest, numbers, lanes, .. } =
        opening.recv().map_err(|_| ClusterError::Runtime(closed()))??;
    let lane_bytes = lanes.into_iter().map(|about| (about.lane, about.bytes)).collect();
    Ok(Reader::elsewhere(manifest, Elsewhere { place: connection.uri.clone(), asks, numbers, lane_bytes }))
}

/// Connects, says what is there, and answers until nobody can ask any more.
fn hold(connection: &Connection, asked: &Receiver<Ask>, opened: &SyncSender<Result<Publication, ClusterError>>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = opened.send(Err(ClusterError::Runtime(error)));
            return;
        }
    };
    let lanes = match runtime.block_on(Lanes::open(connection)) {
        Ok(lanes) => Arc::new(lanes),
        Err(error) => {
            let _ = opened.send(Err(error));
            return;
        }
    };
    let _ = opened.send(Ok(lanes.publication.clone()));
    for ask in asked {
        let (lanes, handle) = (Arc::clone(&lanes), runtime.handle().clone());
        // Each waits on a thread of its own out of the runtime's: lanes are looked along side by side.
        runtime.spawn_blocking(move || handle.block_on(answer(&lanes, ask)));
    }
    runtime.shutdown_background();
}

/// Whoever asked may be gone by now: then nobody hears the answer.
async fn answer(lanes: &Lanes, ask: Ask) {
    let told = |error: ClusterError| error.for_search(&lanes.milvus.connection.uri);
    match ask {
        Ask::Search { lane, sought, depth, filter, reply } => {
            let _ = reply.send(lanes.search(&lane, sought, (depth, filter.as_ref())).await.map_err(told));
        }
        Ask::Score { lane, sought, chunks, reply } => {
            let _ = reply.send(lanes.score(&lane, sought, &chunks).await.map_err(told));
        }
        Ask::Chunks { chunks, reply } => {
            let _ = reply.send(lanes.chunks(&chunks).await.map_err(told));
        }
        Ask::Check { filter, reply } => {
            let _ = reply.send(lanes.expression(&filter).map(drop).map_err(told));
        }
        Ask::Among { filter, reply } => {
            let _ = reply.send(lanes.among(&filter).await.map_err(told));
        }
        Ask::Newer { reply } => {
            let _ = reply.send(newer(lanes).await.map_err(told));
        }
    }
}

async fn newer(lanes: &Lanes) -> Result<Option<Box<Reader>>, ClusterError> {
    if !lanes.has_newer().await? {
        return Ok(None);
    }
    let connection = lanes.milvus.connection.clone();
    // Opening waits for a thread of its own.
    let opened = tokio::task::spawn_blocking(move || open(&connection)).await;
    let opened = opened.map_err(|error| ClusterError::Runtime(std::io::Error::other(error)))?;
    Ok(Some(Box::new(opened?)))
}
