//! The S3 server: files under the state folder, with signatures checked.

use std::path::Path;

use anyhow::Context as _;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accept::accept;
use crate::layout::{ARCHIVE_BUCKET, AUDIO_BUCKET, AWS_ACCESS_KEY_ID};

/// Serves the buckets under `root` on `listener` until `stop`, for the development key with `secret`.
///
/// # Errors
/// When the folders cannot be made.
pub fn start(
    listener: TcpListener,
    root: &Path,
    secret: &str,
    tasks: &TaskTracker,
    stop: &CancellationToken,
) -> anyhow::Result<()> {
    // A bucket is a folder.
    for bucket in [AUDIO_BUCKET, ARCHIVE_BUCKET] {
        let folder = root.join(bucket);
        std::fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    }
    let files =
        s3s_fs::FileSystem::new(root).map_err(|error| anyhow::anyhow!("opening {}: {error:?}", root.display()))?;
    let mut service = S3ServiceBuilder::new(files);
    service.set_auth(SimpleAuth::from_single(AWS_ACCESS_KEY_ID, secret));
    let (server, service) = (Builder::new(TokioExecutor::new()), service.build());
    let accepting = accept(listener, move |stream| {
        let connection = server.serve_connection(TokioIo::new(stream), service.clone()).into_owned();
        async move {
            // An error here is a client that went away: nothing to report.
            let _served = connection.await;
        }
    });
    tasks.spawn(stop.clone().run_until_cancelled_owned(accepting));
    Ok(())
}
