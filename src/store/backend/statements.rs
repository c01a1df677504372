//! Statements that each engine wants in a form of its own.

/// Inserts rows: many in one statement where that saves round trips (PostgreSQL), one by one where there are none.
macro_rules! insert_all {
    ($connection:expr, $table:expr, $rows:expr) => {
        match $connection {
            $crate::store::Connection::Postgres(object) => {
                use $crate::store::backend::Prepare as _;
                if let [row] = &$rows[..] {
                    let row = diesel::insert_into($table).values(row.clone()).prepared();
                    $crate::store::backend::surrounded!(&mut **object, c => row.execute(c))?;
                } else {
                    // A statement takes 65,535 values.
                    for batch in $rows.chunks(1000) {
                        $crate::store::backend::surrounded!(&mut **object, c => {
                            diesel::insert_into($table).values(batch.to_vec()).execute(c)
                        })?;
                    }
                }
            }
            $crate::store::Connection::Sqlite(object) => {
                for row in $rows {
                    diesel::insert_into($table).values(row.clone()).execute(&mut **object).await?;
                }
            }
        }
    };
}
pub(in crate::store) use insert_all;

/// Deletes the rows of a table whose keys `due` selects, an aliased query of the same table, and counts them. Rows that
/// another transaction holds are passed over; in SQLite nobody writes beside this one.
macro_rules! delete_unheld {
    ($connection:expr, $table:ident, $key:ident, $due:expr) => {
        match $connection {
            $crate::store::Connection::Postgres(object) => {
                let due = $due.for_update().skip_locked();
                $crate::store::backend::surrounded!(&mut **object, c => {
                    diesel::delete($table::table.filter($table::$key.eq_any(due))).execute(c)
                })?
            }
            $crate::store::Connection::Sqlite(object) => {
                diesel::delete($table::table.filter($table::$key.eq_any($due))).execute(&mut **object).await?
            }
        }
    };
}
pub(in crate::store) use delete_unheld;
