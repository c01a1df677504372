//! Counts that only grow, alone or in a table with fixed names.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use chrono::{DateTime, Utc};

#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A time that may change, or not be known.
#[derive(Debug, Default)]
pub struct Moment(AtomicI64);

impl Moment {
    pub fn set(&self, at: DateTime<Utc>) {
        self.0.store(at.timestamp(), Ordering::Relaxed);
    }

    /// To the second.
    pub fn get(&self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(self.0.load(Ordering::Relaxed), 0).filter(|at| *at != DateTime::UNIX_EPOCH)
    }
}

/// Counts by two names, each out of a list whose last stands for what is not in it. So there are no more counts than the
/// lists allow, whatever comes.
#[derive(Debug)]
pub struct CounterTable {
    rows: &'static [&'static str],
    columns: &'static [&'static str],
    cells: Box<[Counter]>,
}

impl CounterTable {
    pub fn new(rows: &'static [&'static str], columns: &'static [&'static str]) -> Self {
        Self { rows, columns, cells: (0..rows.len() * columns.len()).map(|_| Counter::default()).collect() }
    }

    pub fn count(&self, row: &str, column: &str) {
        let at = |names: &[&str], name| names.iter().position(|known| *known == name).unwrap_or(names.len() - 1);
        self.cells[at(self.rows, row) * self.columns.len() + at(self.columns, column)].count();
    }

    /// Row, column and count of every cell, those at nought included: a rate begins with the first event, not the second.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let names = self.rows.iter().flat_map(|row| self.columns.iter().map(move |column| (*row, *column)));
        names.zip(&self.cells).map(|((row, column), counter)| (row, column, counter.get()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_listed_is_counted_under_the_last_name() {
        let table = CounterTable::new(&["a", "other"], &["x", "y", "other"]);
        for (row, column) in [("a", "y"), ("a", "y"), ("b", "x"), ("a", "a client's own word"), ("", "")] {
            table.count(row, column);
        }
        let counted: Vec<_> = table.all().filter(|(.., count)| *count > 0).collect();
        assert_eq!(counted, [("a", "y", 2), ("a", "other", 1), ("other", "x", 1), ("other", "other", 1)]);
        assert_eq!(table.all().count(), 6);
    }
}
