//! Bundles as they are kept.

use serde::Serialize;

use super::{Bundle, page};
use crate::store::sql::{Connection, Row, values};
use crate::store::{Reader, StoreError};

/// Bundles that are listed.
const LISTED: usize = 200;

/// Bytes of a page, at most: more than what bundles hold can become.
const PAGE_BYTES: usize = 64 << 20;

/// A bundle, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BundleRow {
    /// Its number.
    pub id: i64,
    /// The service; `(fleet)` for all together.
    pub service: String,
    /// When it was made, in milliseconds since the Unix epoch.
    pub made_ms: i64,
    /// Bytes of the file.
    pub size: u64,
}

/// A bundle that is ready to be kept.
#[derive(Debug)]
pub struct Packed {
    service: String,
    made_ms: i64,
    size: u64,
    page: Vec<u8>,
}

impl Packed {
    /// Makes the file; takes a moment.
    pub fn of(bundle: &Bundle) -> Self {
        let text = page::page(bundle);
        let page = zstd::bulk::compress(text.as_bytes(), 3)
            .unwrap_or_else(|error| unreachable!("memory can be compressed: {error}"));
        Self { service: bundle.service.clone(), made_ms: bundle.made_ms, size: text.len() as u64, page }
    }
}

/// Keeps a bundle; gives its number.
pub fn keep(connection: &mut dyn Connection, bundle: &Packed) -> Result<i64, StoreError> {
    let row = connection.row(
        "INSERT INTO slts_bundle (service, made_ms, size, page) VALUES ($1, $2, $3, $4) RETURNING id",
        values![&bundle.service, bundle.made_ms, bundle.size, &bundle.page],
    )?;
    row.ok_or(StoreError::Incomplete("slts_bundle"))?.get(0)
}

/// Removes bundles that were made before a time; gives how many.
pub fn forget(connection: &mut dyn Connection, before_ms: i64) -> Result<u64, StoreError> {
    connection.execute("DELETE FROM slts_bundle WHERE made_ms < $1", values![before_ms])
}

impl Reader {
    /// Bundles, the newest first, at most `limit` and never more than 200.
    pub fn bundles(&self, limit: usize) -> Result<Vec<BundleRow>, StoreError> {
        self.ask(|connection| {
            let rows = connection.query(
                "SELECT id, service, made_ms, size FROM slts_bundle ORDER BY id DESC LIMIT $1",
                values![limit.min(LISTED) as u64],
            )?;
            rows.iter().map(bundle_row).collect()
        })
    }

    /// A bundle and its file; nothing when there is none of this number.
    pub fn bundle(&self, id: i64) -> Result<Option<(BundleRow, Vec<u8>)>, StoreError> {
        self.ask(|connection| {
            let row = connection
                .row("SELECT id, service, made_ms, size, page FROM slts_bundle WHERE id = $1", values![id])?;
            let Some(row) = row else { return Ok(None) };
            let page = zstd::bulk::decompress(&row.get::<Vec<u8>>(4)?, PAGE_BYTES);
            let page = page.map_err(|_| StoreError::Incomplete("slts_bundle"))?;
            Ok(Some((bundle_row(&row)?, page)))
        })
    }
}

fn bundle_row(row: &Row) -> Result<BundleRow, StoreError> {
    Ok(BundleRow { id: row.get(0)?, service: row.get(1)?, made_ms: row.get(2)?, size: row.get(3)? })
}
