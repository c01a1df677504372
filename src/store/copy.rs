//! Moving a whole issuer from one database to another, whichever kinds they are: every row of every table, read from one
//! state of the source, written in one transaction, and compared afterwards.

use super::tables::{self, Rows, Table, Tally};
use super::{Connection, Error, Store};

/// Why a database was not copied. Nothing has been written then.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    #[error(transparent)]
    Store(#[from] Error),
    #[error("the database to copy to is not empty: it has {rows} rows in {table}. Give an empty one")]
    NotEmpty { table: &'static str, rows: u64 },
    #[error("{table} differs after copying ({from:?}, {to:?}): the copy was undone")]
    Differs { table: &'static str, from: Tally, to: Tally },
}

/// Copies every table and compares. `progress` is told each table with what it held.
pub async fn copy(
    source: &Store,
    target: &Store,
    mut progress: impl FnMut(&'static str, Tally),
) -> Result<(), CopyError> {
    source
        .snapshot(async |source: &mut Connection| {
            target.transaction(async |target: &mut Connection| copy_tables(source, target, &mut progress).await).await
        })
        .await
}

async fn copy_tables(
    source: &mut Connection,
    target: &mut Connection,
    progress: &mut impl FnMut(&'static str, Tally),
) -> Result<(), CopyError> {
    if let Some((table, rows)) = tables::make_way(target).await? {
        return Err(CopyError::NotEmpty { table: table.name(), rows });
    }
    for table in Table::ALL {
        let mut from = Tally::default();
        let mut rows = Rows::none(*table);
        loop {
            rows = tables::page(source, *table, Some(&rows)).await?;
            if rows.is_empty() {
                break;
            }
            rows.tally(&mut from);
            tables::insert(target, &rows).await?;
        }
        let to = tables::tally(target, *table).await?;
        if from != to {
            return Err(CopyError::Differs { table: table.name(), from, to });
        }
        progress(table.name(), from);
    }
    Ok(tables::settle(target).await?)
}
