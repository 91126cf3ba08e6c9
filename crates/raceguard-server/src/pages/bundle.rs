//! Root-cause bundles, for whoever follows the link of an alert.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::Response;

use super::fault::PageFault;
use super::session::Viewer;
use crate::http::{Shared, bundle_file};

/// The file of a bundle, to be saved.
pub(crate) async fn download(
    State(shared): State<Arc<Shared>>,
    _viewer: Viewer,
    Path(id): Path<i64>,
) -> Result<Response, PageFault> {
    let found = bundle_file(&shared, id).await?;
    found.ok_or_else(|| {
        PageFault::nothing_there(format!("there is no bundle {id}; it may have been removed by now"))
    })
}
