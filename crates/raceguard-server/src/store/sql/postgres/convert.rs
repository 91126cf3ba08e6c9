//! Values and rows between the store's SQL and PostgreSQL's wire format.

use std::error::Error;

use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, to_sql_checked};

use super::super::{Cell, Row, StoreError, Value};

/// A row of an answer.
pub(super) fn row(row: &tokio_postgres::Row) -> Result<Row, StoreError> {
    let cells = row.columns().iter().enumerate().map(|(column, described)| {
        let cell = match *described.type_() {
            Type::INT8 => row.try_get(column).map(|cell: Option<i64>| cell.map(Cell::Integer)),
            Type::INT4 => row.try_get(column).map(|cell: Option<i32>| cell.map(|n| Cell::Integer(n.into()))),
            Type::INT2 => row.try_get(column).map(|cell: Option<i16>| cell.map(|n| Cell::Integer(n.into()))),
            Type::BOOL => row.try_get(column).map(|cell: Option<bool>| cell.map(|n| Cell::Integer(n.into()))),
            Type::FLOAT8 => row.try_get(column).map(|cell: Option<f64>| cell.map(Cell::Real)),
            Type::FLOAT4 => row.try_get(column).map(|cell: Option<f32>| cell.map(|n| Cell::Real(n.into()))),
            Type::TEXT | Type::VARCHAR | Type::NAME => {
                row.try_get(column).map(|cell: Option<String>| cell.map(Cell::Text))
            }
            Type::BYTEA => row.try_get(column).map(|cell: Option<Vec<u8>>| cell.map(Cell::Blob)),
            ref other => {
                return Err(StoreError::Postgres(format!(
                    "column {column} of an answer has the type {other}, which a CAST has to turn into one of the store's"
                )));
            }
        };
        Ok(cell.map_err(|error| StoreError::Postgres(super::say(&error)))?.unwrap_or(Cell::Null))
    });
    cells.collect::<Result<_, _>>().map(Row)
}

impl ToSql for Value<'_> {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match (*self, kind) {
            (Value::Null, _) => Ok(IsNull::Yes),
            (Value::Integer(number), &Type::INT8) => number.to_sql(kind, out),
            (Value::Integer(number), &Type::INT4) => i32::try_from(number)?.to_sql(kind, out),
            (Value::Integer(number), &Type::BOOL) => (number != 0).to_sql(kind, out),
            #[expect(clippy::cast_precision_loss, reason = "the column's type says that it may be lost")]
            (Value::Integer(number), &Type::FLOAT8) => (number as f64).to_sql(kind, out),
            (Value::Real(number), &Type::FLOAT8) => number.to_sql(kind, out),
            (Value::Text(text), &(Type::TEXT | Type::VARCHAR)) => {
                if text.contains('\0') {
                    return text.replace('\0', "\u{fffd}").to_sql(kind, out);
                }
                text.to_sql(kind, out)
            }
            (Value::Blob(bytes), &Type::BYTEA) => bytes.to_sql(kind, out),
            (value, kind) => {
                Err(format!("{value:?} is given where the statement has the type {kind}").into())
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        // Whether they fit depends on the value: `to_sql` says.
        true
    }

    to_sql_checked!();
}
