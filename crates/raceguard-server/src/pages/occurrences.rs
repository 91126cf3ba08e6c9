//! When and where something was seen: a chart by hour, and tables by version and by instance.

use askama::Template;
use askama::filters::HtmlSafe;

use super::chart::BarChart;
use super::format::{When, grouped};
use super::preferences::Language;
use super::questions::SeenAt;
use super::text::Text;
use crate::causes::rows::HourCount;
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
    last: When,
}

impl Occurrences {
    /// Those of a finding, up to now.
    pub(super) fn ask(
        reader: &Reader,
        finding: i64,
        now_ms: i64,
        language: Language,
    ) -> Result<Self, StoreError> {
        let last = now_ms / HOUR_MS;
        let counts = reader.hours_of(finding, last - HOURS + 1, last)?;
        let places = reader.seen_at(finding)?;
        Ok(Self::new(&counts, &places, &places, now_ms, language))
    }

    /// Of counts by hour up to now, and places that were counted by version and by instance.
    pub(super) fn new(
        hours: &[u64],
        versions: &[SeenAt],
        instances: &[SeenAt],
        now_ms: i64,
        language: Language,
    ) -> Self {
        let text = language.text();
        let first = now_ms / HOUR_MS - HOURS + 1;
        let table = |heading, name, places: &[SeenAt], key: fn(&SeenAt) -> &str| Table {
            heading,
            name,
            ..Table::new(places, key, now_ms, language)
        };
        Self {
            text,
            chart: BarChart::new(text.occurrences_by_hour, first * 3600, 3600, hours),
            tables: [
                table(text.by_version, text.version, versions, |place| &place.version),
                table(text.by_instance, text.instance, instances, |place| &place.instance),
            ],
        }
    }

    /// Counts by hour up to now, of those hours that have some.
    pub(super) fn hours(counts: &[HourCount], now_ms: i64) -> Vec<u64> {
        let last = now_ms / HOUR_MS;
        let mut hours = vec![0; usize::try_from(HOURS).unwrap_or(0)];
        for count in counts {
            let index = usize::try_from(count.hour_ms / HOUR_MS - (last - HOURS + 1)).ok();
            if let Some(hour) = index.and_then(|index| hours.get_mut(index)) {
                *hour += count.occurrences;
            }
        }
        hours
    }
}

impl Table {
    /// Places that have service, name and environment in common are one row.
    fn new(places: &[SeenAt], name: fn(&SeenAt) -> &str, now_ms: i64, language: Language) -> Self {
        let mut joined: Vec<SeenAt> = Vec::new();
        for place in places {
            let key =
                |place: &SeenAt| (place.service.clone(), name(place).to_owned(), place.environment.clone());
            match joined.iter_mut().find(|known| key(known) == key(place)) {
                Some(known) => {
                    known.occurrences += place.occurrences;
                    known.first_ms = known.first_ms.min(place.first_ms);
                    known.last_ms = known.last_ms.max(place.last_ms);
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
            last: When::new(place.last_ms, now_ms, language),
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
            first_ms: 5,
            last_ms: 7,
        };
        let places = [place("1", "a", 10), place("2", "a", 25), place("1", "b", 20)];
        let versions = Table::new(&places, |place| &place.version, 0, Language::English);
        let rows: Vec<_> = versions
            .rows
            .iter()
            .map(|row| (row.name.as_str(), row.occurrences.as_str(), row.share))
            .collect();
        assert_eq!(rows, [("1", "30", 100), ("2", "25", 84)]);
        assert_eq!(versions.left_out, 0);
    }
}
