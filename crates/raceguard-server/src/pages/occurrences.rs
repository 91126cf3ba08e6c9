//! When and where something was seen: a chart by hour, and tables by version and by instance.

use askama::Template;
use askama::filters::HtmlSafe;

use super::chart::BarChart;
use super::format::{When, grouped};
use super::preferences::Language;
use super::questions::SeenAt;
use super::text::Text;
use crate::store::{Reader, StoreError};

/// Hours that the chart goes back.
const HOURS: i64 = 7 * 24;

const HOUR_MS: i64 = 3_600_000;

/// Rows of a table that are shown.
const ROWS: usize = 12;

/// Chart and tables.
#[derive(Debug, Template)]
#[template(path = "part/occurrences.html")]
pub(super) struct Occurrences {
    text: &'static Text,
    chart: BarChart,
    tables: [Table; 2],
}

impl HtmlSafe for Occurrences {}

/// Counts by a name.
#[derive(Debug)]
struct Table {
    heading: &'static str,
    /// What a row is named for.
    name: &'static str,
    rows: Vec<Row>,
    /// Rows that are not shown.
    left_out: usize,
}

#[derive(Debug)]
struct Row {
    service: String,
    name: String,
    environment: String,
    occurrences: String,
    share: u64,
    first: When,
    last: When,
}

impl Occurrences {
    /// Those of the findings, up to now.
    pub(super) fn ask(
        reader: &Reader,
        findings: &[i64],
        now_ms: i64,
        language: Language,
    ) -> Result<Self, StoreError> {
        let text = language.text();
        let last = now_ms / HOUR_MS;
        let counts = reader.hours_of(findings, last - HOURS + 1, last)?;
        let places = reader.seen_at(findings)?;
        let table = |heading, name, key: fn(&SeenAt) -> &str| {
            Table { heading, name, ..Table::new(&places, key, now_ms, language) }
        };
        Ok(Self {
            text,
            chart: BarChart::new(text.occurrences_by_hour, (last - HOURS + 1) * 3600, 3600, &counts),
            tables: [
                table(text.by_version, text.version, |place| &place.version),
                table(text.by_instance, text.instance, |place| &place.instance),
            ],
        })
    }
}

impl Table {
    /// Places that have service, name and environment in common are one row.
    fn new(places: &[SeenAt], name: fn(&SeenAt) -> &str, now_ms: i64, language: Language) -> Self {
        let mut joined: Vec<SeenAt> = Vec::new();
        for place in places {
            let key = |place: &SeenAt| (place.service.clone(), name(place).to_owned(), place.environment.clone());
            match joined.iter_mut().find(|known| key(known) == key(place)) {
                Some(known) => {
                    known.occurrences += place.occurrences;
                    known.first_hour = known.first_hour.min(place.first_hour);
                    known.last_hour = known.last_hour.max(place.last_hour);
                }
                None => joined.push(place.clone()),
            }
        }
        joined.sort_by_key(|place| std::cmp::Reverse(place.occurrences));
        let most = joined.first().map_or(1, |place| place.occurrences.max(1));
        let rows = joined.iter().take(ROWS).map(|place| Row {
            service: place.service.clone(),
            name: name(place).to_owned(),
            environment: place.environment.clone(),
            occurrences: grouped(place.occurrences),
            share: (place.occurrences * 100).div_ceil(most),
            first: When::new(place.first_hour * HOUR_MS, now_ms, language),
            last: When::new(place.last_hour * HOUR_MS, now_ms, language),
        });
        Self { heading: "", name: "", rows: rows.collect(), left_out: joined.len().saturating_sub(ROWS) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_of_a_version_are_one_row() {
        let place = |version: &str, instance: &str, occurrences| SeenAt {
            service: "pay".into(),
            version: version.into(),
            instance: instance.into(),
            environment: String::new(),
            occurrences,
            first_hour: 5,
            last_hour: 7,
        };
        let places = [place("1", "a", 10), place("2", "a", 25), place("1", "b", 20)];
        let versions = Table::new(&places, |place| &place.version, 0, Language::English);
        let rows: Vec<_> = versions.rows.iter().map(|row| (row.name.as_str(), row.occurrences.as_str(), row.share)).collect();
        assert_eq!(rows, [("1", "30", 100), ("2", "25", 84)]);
        assert_eq!(versions.left_out, 0);
    }
}
