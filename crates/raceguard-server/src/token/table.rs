//! The tokens that there are.

use serde::Serialize;

use super::{Holder, Role, Token};
use crate::audit;
use crate::store::StoreError;
use crate::store::sql::{Connection, Row, values};

/// What is kept of a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TokenRow {
    /// Its name.
    pub name: String,
    /// `write`, `read`, `admin`.
    pub role: String,
    /// When it was made, in milliseconds since the Unix epoch; so are all times here.
    pub created_ms: i64,
    /// Until when it holds; for ever when absent.
    pub expires_ms: Option<i64>,
    /// When it was used last, to the minute; never when absent.
    pub last_used_ms: Option<i64>,
    /// When it was revoked.
    pub revoked_ms: Option<i64>,
}

impl TokenRow {
    /// Whether it may be used at this time.
    pub fn holds(&self, now_ms: i64) -> bool {
        self.revoked_ms.is_none() && self.expires_ms.is_none_or(|end| now_ms < end)
    }
}

/// A token that is to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewToken<'a> {
    /// Its name, which no other may have had.
    pub name: &'a str,
    /// What its holder may do.
    pub role: Role,
    /// Until when it holds, in milliseconds since the Unix epoch.
    pub expires_ms: Option<i64>,
}

/// Makes a token. It is returned, and kept nowhere.
pub fn add(
    connection: &mut dyn Connection,
    new: NewToken<'_>,
    actor: &str,
    now_ms: i64,
) -> Result<Token, StoreError> {
    let token = Token::random().map_err(|error| StoreError::Random(error.to_string()))?;
    let added = connection.execute(
        "INSERT INTO token (name, role, hash, created_ms, expires_ms) VALUES ($1, $2, $3, $4, $5)
         ON CONFLICT (name) DO NOTHING",
        values![new.name, new.role.as_str(), &token.hash(), now_ms, new.expires_ms],
    )?;
    if added == 0 {
        return Err(StoreError::TokenName(new.name.to_owned()));
    }
    let detail = serde_json::json!({ "role": new.role.as_str(), "expires_ms": new.expires_ms });
    audit::record(connection, actor, "token.add", new.name, &detail.to_string())?;
    Ok(token)
}

/// Revokes a token; `false` when it was revoked before.
pub fn revoke(
    connection: &mut dyn Connection,
    name: &str,
    actor: &str,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let Some(row) = connection.row("SELECT revoked_ms FROM token WHERE name = $1", values![name])? else {
        return Err(StoreError::UnknownToken(name.to_owned()));
    };
    if row.get::<Option<i64>>(0)?.is_some() {
        return Ok(false);
    }
    connection.execute("UPDATE token SET revoked_ms = $2 WHERE name = $1", values![name, now_ms])?;
    audit::record(connection, actor, "token.revoke", name, "")?;
    Ok(true)
}

/// All tokens, by name.
pub fn list(connection: &mut (dyn Connection + 'static)) -> Result<Vec<TokenRow>, StoreError> {
    let rows = connection.query(
        "SELECT name, role, created_ms, expires_ms, last_used_ms, revoked_ms FROM token ORDER BY name",
        &[],
    )?;
    rows.iter().map(row).collect()
}

/// Who holds the token with this hash at this time: nobody when there is none, or it was revoked, or is over.
pub fn holder(
    connection: &mut dyn Connection,
    hash: &[u8; 32],
    now_ms: i64,
) -> Result<Option<Holder>, StoreError> {
    let found = connection.row(
        "SELECT name, role, created_ms, expires_ms, last_used_ms, revoked_ms, hash FROM token WHERE hash = $1",
        values![hash],
    )?;
    let Some(found) = found else { return Ok(None) };
    // The index found it; that all of it is equal is checked again, in a time that says nothing.
    let is_same = super::same(&found.get::<Vec<u8>>(6)?, hash);
    let token = row(&found)?;
    let role = Role::named(&token.role).ok().filter(|_| is_same && token.holds(now_ms));
    Ok(role.map(|role| Holder { name: token.name, role }))
}

/// Notes when tokens were used.
pub fn note_used(connection: &mut dyn Connection, used: &[(String, i64)]) -> Result<(), StoreError> {
    for (name, at_ms) in used {
        connection.execute(
            "UPDATE token SET last_used_ms = $2 WHERE name = $1 AND (last_used_ms IS NULL OR last_used_ms < $2)",
            values![name, *at_ms],
        )?;
    }
    Ok(())
}

fn row(row: &Row) -> Result<TokenRow, StoreError> {
    Ok(TokenRow {
        name: row.get(0)?,
        role: row.get(1)?,
        created_ms: row.get(2)?,
        expires_ms: row.get(3)?,
        last_used_ms: row.get(4)?,
        revoked_ms: row.get(5)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Store;

    #[test]
    fn a_token_holds_until_it_is_over_or_revoked() {
        let folder = tempfile::tempdir().expect("there is room");
        let seen = Store::change(folder.path(), |connection| {
            let new = NewToken { name: "ci", role: Role::Write, expires_ms: Some(100) };
            let token = add(connection, new, "local:root", 1)?;
            let holds = |connection: &mut dyn Connection, now| holder(connection, &token.hash(), now);
            let before = holds(connection, 99)?;
            let over = holds(connection, 100)?;
            let revoked =
                (revoke(connection, "ci", "local:root", 50)?, revoke(connection, "ci", "local:root", 51)?);
            let after = holds(connection, 60)?;
            note_used(connection, &[("ci".to_owned(), 40), ("ci".to_owned(), 30)])?;
            let unknown = revoke(connection, "none", "local:root", 1).expect_err("there is none").to_string();
            Ok((before, over, revoked, after, list(connection)?, unknown, audit::page(connection, 0, 9)?))
        });
        let (before, over, revoked, after, list, unknown, acts) = seen.expect("it works");
        assert_eq!(before, Some(Holder { name: "ci".to_owned(), role: Role::Write }));
        assert_eq!((over, revoked, after), (None, (true, false), None));
        assert_eq!((list[0].last_used_ms, list[0].revoked_ms), (Some(40), Some(50)));
        assert!(unknown.contains("none"), "{unknown}");
        let acts: Vec<_> = acts.iter().map(|entry| (entry.act.as_str(), entry.subject.as_str())).collect();
        assert_eq!(acts, [("token.add", "ci"), ("token.revoke", "ci")]);
    }
}
