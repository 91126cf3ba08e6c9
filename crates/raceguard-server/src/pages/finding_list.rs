//! The list of findings: filtered, ordered and cut into pages by the database, but for text, which is compared here.
//!
//! SQLite and PostgreSQL do not agree on what an upper-case letter is, nor on what of a pattern is special, so text is looked
//! for in rows that come in order, a chunk at a time.

use crate::store::sql::{Connection, values};
use crate::store::{FindingRow, Reader, StoreError};

/// Findings on a page.
pub(super) const PAGE: u64 = 50;

/// Findings in which text is looked for: the first in the order that is wanted.
pub(super) const SEARCHED: u64 = 100_000;

/// Rows that are asked for at once while text is looked for.
const CHUNK: u64 = 2_000;

/// Which come first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Order {
    /// Those that were seen last.
    #[default]
    Last,
    /// Those that were seen first last.
    First,
    /// Those that were seen most often.
    Count,
}

/// What is wanted of the list.
#[derive(Debug, Clone, Default)]
pub(super) struct Wanted {
    /// In title or fingerprint, in whatever case; empty for all.
    pub(super) text: String,
    /// The kind of the record; empty for all.
    pub(super) kind: String,
    pub(super) order: Order,
    /// Which page, from 0; of those beyond the end, the last one.
    pub(super) page: u64,
}

/// A page of the list.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) rows: Vec<FindingRow>,
    /// The page that it is.
    pub(super) page: u64,
    /// How many there are on all pages.
    pub(super) total: u64,
    /// Whether text was looked for in [`SEARCHED`] findings, and there are more.
    pub(super) is_cut: bool,
}

impl Order {
    /// As in the address of a page.
    pub(super) fn named(name: &str) -> Self {
        match name {
            "first" => Self::First,
            "count" => Self::Count,
            _ => Self::Last,
        }
    }

    fn column(self) -> &'static str {
        match self {
            Self::Last => "last_ms",
            Self::First => "first_ms",
            Self::Count => "occurrences",
        }
    }

    fn key(self, row: &FindingRow) -> i64 {
        match self {
            Self::Last => row.last_ms,
            Self::First => row.first_ms,
            Self::Count => i64::try_from(row.occurrences).unwrap_or(i64::MAX),
        }
    }
}

impl Found {
    /// Whether there is a page behind this one.
    pub(super) fn has_next(&self) -> bool {
        (self.page + 1) * PAGE < self.total
    }
}

impl Reader {
    /// A page of the findings.
    pub(super) fn finding_list(&self, wanted: &Wanted) -> Result<Found, StoreError> {
        self.ask(|connection| {
            let found = page(connection, wanted, wanted.page)?;
            let last = found.total.saturating_sub(1) / PAGE;
            // Nobody is led to a page that is empty, though there are findings.
            if wanted.page > last { page(connection, wanted, last) } else { Ok(found) }
        })
    }
}

fn page(connection: &mut dyn Connection, wanted: &Wanted, page: u64) -> Result<Found, StoreError> {
    if wanted.text.is_empty() {
        by_database(connection, wanted, page)
    } else {
        by_text(connection, wanted, page)
    }
}

fn by_database(connection: &mut dyn Connection, wanted: &Wanted, page: u64) -> Result<Found, StoreError> {
    let count = "SELECT count(*) FROM finding WHERE $1 = '' OR kind = $1";
    let total = connection.row(count, values![&wanted.kind])?.map_or(Ok(0), |row| row.get(0))?;
    let sql = format!(
        "SELECT {} FROM finding WHERE $1 = '' OR kind = $1 ORDER BY {} DESC, id LIMIT $2 OFFSET $3",
        FindingRow::COLUMNS,
        wanted.order.column()
    );
    let offset = page.saturating_mul(PAGE).min(total);
    let rows = connection.query(&sql, values![&wanted.kind, PAGE, offset])?;
    let rows = rows.iter().map(FindingRow::of).collect::<Result<_, _>>()?;
    Ok(Found { rows, page, total, is_cut: false })
}

fn by_text(connection: &mut dyn Connection, wanted: &Wanted, page: u64) -> Result<Found, StoreError> {
    let column = wanted.order.column();
    let sql = format!(
        "SELECT {} FROM finding WHERE ($1 = '' OR kind = $1) AND ({column} < $2 OR ({column} = $2 AND id > $3))
         ORDER BY {column} DESC, id LIMIT $4",
        FindingRow::COLUMNS
    );
    let text = wanted.text.to_lowercase();
    let mut found = Found { rows: Vec::new(), page, total: 0, is_cut: false };
    let shown = page.saturating_mul(PAGE)..page.saturating_add(1).saturating_mul(PAGE);
    let (mut key, mut id, mut searched) = (i64::MAX, i64::MIN, 0);
    loop {
        let rows = connection.query(&sql, values![&wanted.kind, key, id, CHUNK])?;
        for row in &rows {
            let row = FindingRow::of(row)?;
            (key, id) = (wanted.order.key(&row), row.id);
            if row.title.to_lowercase().contains(&text) || row.fingerprint.to_lowercase().contains(&text) {
                if shown.contains(&found.total) {
                    found.rows.push(row);
                }
                found.total += 1;
            }
        }
        searched += rows.len() as u64;
        found.is_cut = searched >= SEARCHED;
        if found.is_cut || (rows.len() as u64) < CHUNK {
            return Ok(found);
        }
    }
}
