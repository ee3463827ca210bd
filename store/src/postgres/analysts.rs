//! Logins of analysts: people who ask the read models in SQL, and see the rows of one tenant.
//!
//! The login decides the tenant, by a row that only the owner of the schema writes: no setting of the session has a say. It is
//! a member of `clientela_analyst`, which may read the views and tables of read models (policies and grants are made with each
//! generation), and nothing else. Passwords are never sent: the database gets what it would make of them.

use super::database::{Database, unavailable};
use crate::{StoreError, TenantId};
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool};

/// Rounds of the password's hash: what PostgreSQL takes by default.
const ROUNDS: u32 = 4_096;
/// Sessions of one login at a time.
const SESSIONS_MAX: u32 = 5;
/// How the sessions begin. A session may change these; what it may see it cannot.
const SETTINGS: &[(&str, &str)] = &[
    ("statement_timeout", "'60s'"),
    ("idle_in_transaction_session_timeout", "'60s'"),
    ("default_transaction_read_only", "on"),
    ("search_path", "read_models"),
];
/// A longer name is cut off by PostgreSQL.
const NAME_BYTES_MAX: usize = 63;

/// A login, and its password, which is told this once.
#[derive(Debug)]
pub struct AnalystLogin {
    /// Name of the login.
    pub login: String,
    password: SecretString,
}

impl AnalystLogin {
    /// The password, to be shown.
    #[must_use]
    pub fn password(&self) -> &str {
        self.password.expose_secret()
    }
}

/// Why a login was not made, renewed or removed.
#[derive(Debug, thiserror::Error)]
pub enum AnalystError {
    /// It is there.
    #[error("the analysts' login {0} is there already: --rotate gives it another password, --remove removes it")]
    Exists(String),
    /// It is not there.
    #[error("the tenant's analysts have no login")]
    NotFound,
    /// The login of the server is not allowed to make others.
    #[error("the database login {0} may not create roles: set DATABASE_URL to one with CREATEROLE for this command")]
    MayNotCreateRoles(String),
    /// The login of the server may make logins, but not members of the analysts' group.
    #[error(
        "the database login {0} may not let others into clientela_analyst: have that role granted to it with admin option"
    )]
    MayNotGrant(String),
    /// The group that analysts belong to is missing.
    #[error("the database has not been migrated: run `clientela migrate`")]
    NotMigrated,
    /// No randomness for a password.
    #[error("the system gives no random bytes")]
    NoRandomness(#[source] getrandom::Error),
    /// The database refuses or is away.
    #[error("the database refuses or is away")]
    Sql(#[from] sqlx::Error),
}

impl Database {
    /// Makes the login of a tenant's analysts.
    ///
    /// # Errors
    /// As [`AnalystError`] says.
    pub async fn add_analyst(&self, tenant: TenantId) -> Result<AnalystLogin, AnalystError> {
        let (mut conn, maker) = self.to_make_logins().await?;
        let login = login_of(&mut conn, tenant).await?;
        if exists(&mut conn, &login).await? {
            return Err(AnalystError::Exists(login));
        }
        let password = new_password()?;
        let mut tx = conn.begin().await?;
        let create = format!(
            "create role {login} login inherit nosuperuser nobypassrls nocreatedb nocreaterole noreplication \
             connection limit {SESSIONS_MAX} password '{}'",
            verifier(&password)?
        );
        run(&mut tx, create).await?;
        if let Err(error) = run(&mut tx, format!("grant clientela_analyst to {login}")).await {
            let is_forbidden = error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("42501"));
            return Err(if is_forbidden { AnalystError::MayNotGrant(maker) } else { error.into() });
        }
        for (name, value) in SETTINGS {
            run(&mut tx, format!("alter role {login} set {name} = {value}")).await?;
        }
        run(&mut tx, "set local role clientela_owner".to_owned()).await?;
        sqlx::query("insert into public.analyst_logins (login, tenant) values ($1::name, $2)")
            .bind(&login)
            .bind(tenant.0)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        conn.close().await?;
        Ok(AnalystLogin { login, password })
    }

    /// Gives the login of a tenant's analysts another password, and ends its sessions.
    ///
    /// # Errors
    /// As [`AnalystError`] says.
    pub async fn renew_analyst(&self, tenant: TenantId) -> Result<AnalystLogin, AnalystError> {
        let (mut conn, _) = self.to_make_logins().await?;
        let login = login_of(&mut conn, tenant).await?;
        if !exists(&mut conn, &login).await? {
            return Err(AnalystError::NotFound);
        }
        let password = new_password()?;
        run(&mut conn, format!("alter role {login} password '{}'", verifier(&password)?)).await?;
        end_sessions(&mut conn, &login).await;
        conn.close().await?;
        Ok(AnalystLogin { login, password })
    }

    /// Removes the login of a tenant's analysts. From then on its sessions see nothing, and they are ended.
    ///
    /// # Errors
    /// As [`AnalystError`] says.
    pub async fn remove_analyst(&self, tenant: TenantId) -> Result<String, AnalystError> {
        let (mut conn, _) = self.to_make_logins().await?;
        let login = login_of(&mut conn, tenant).await?;
        if !exists(&mut conn, &login).await? {
            return Err(AnalystError::NotFound);
        }
        end_sessions(&mut conn, &login).await;
        let mut tx = conn.begin().await?;
        run(&mut tx, "set local role clientela_owner".to_owned()).await?;
        sqlx::query("delete from public.analyst_logins where login = $1::name").bind(&login).execute(&mut *tx).await?;
        run(&mut tx, format!("reset role; drop role {login}")).await?;
        tx.commit().await?;
        end_sessions(&mut conn, &login).await;
        conn.close().await?;
        Ok(login)
    }

    /// A session of a login that may create roles, and its name.
    async fn to_make_logins(&self) -> Result<(PgConnection, String), AnalystError> {
        let mut conn = PgConnection::connect_with(&self.admin_options()).await?;
        let (login, may, is_migrated): (String, bool, bool) = sqlx::query_as(
            "select rolname::text, rolsuper or rolcreaterole, \
                    exists (select from pg_roles where rolname = 'clientela_analyst') \
                    and to_regclass('public.analyst_logins') is not null \
             from pg_roles where rolname = current_user",
        )
        .fetch_one(&mut conn)
        .await?;
        match (is_migrated, may) {
            (false, _) => Err(AnalystError::NotMigrated),
            (true, false) => Err(AnalystError::MayNotCreateRoles(login)),
            (true, true) => Ok((conn, login)),
        }
    }
}

/// The login of a tenant's analysts, if there is one.
///
/// # Errors
/// When the database is away.
pub async fn analyst_login(engine: &PgPool, tenant: TenantId) -> Result<Option<String>, StoreError> {
    let mut conn = engine.acquire().await.map_err(unavailable)?;
    let login = login_of(&mut conn, tenant).await.map_err(unavailable)?;
    let exists = exists(&mut conn, &login).await.map_err(unavailable)?;
    Ok(exists.then_some(login))
}

/// The login's name. Logins are shared by all databases of a cluster, so the database is in it.
async fn login_of(conn: &mut PgConnection, tenant: TenantId) -> Result<String, sqlx::Error> {
    let database: String = sqlx::query_scalar("select current_database()::text").fetch_one(conn).await?;
    Ok(login_name(&database, tenant))
}

fn login_name(database: &str, tenant: TenantId) -> String {
    let is_plain = database.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    let name = format!("{database}_analyst_{tenant}");
    if is_plain && database.starts_with(|first: char| first.is_ascii_lowercase()) && name.len() <= NAME_BYTES_MAX {
        return name;
    }
    format!("db_{}_analyst_{tenant}", hex::encode(&Sha256::digest(database)[..8]))
}

async fn exists(conn: &mut PgConnection, login: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar("select exists (select from pg_roles where rolname = $1)").bind(login).fetch_one(conn).await
}

/// Ends what is logged in. It may not be allowed; then the sessions go on until they end, and see what is left to them.
async fn end_sessions(conn: &mut PgConnection, login: &str) {
    let end = "select pg_terminate_backend(pid) from pg_stat_activity where usename = $1";
    if let Err(error) = sqlx::query(end).bind(login).execute(conn).await {
        tracing::warn!(login, %error, "the sessions of a login could not be ended");
    }
}

/// Runs a statement made of names that are plain and of constants.
async fn run(conn: &mut PgConnection, statement: String) -> Result<(), sqlx::Error> {
    conn.execute(AssertSqlSafe(statement)).await.map(drop)
}

/// 48 hexadecimal digits.
fn new_password() -> Result<SecretString, AnalystError> {
    let mut bytes = [0; 24];
    getrandom::fill(&mut bytes).map_err(AnalystError::NoRandomness)?;
    Ok(hex::encode(bytes).into())
}

/// What the database keeps of a password (RFC 5803).
fn verifier(password: &SecretString) -> Result<String, AnalystError> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt).map_err(AnalystError::NoRandomness)?;
    Ok(verifier_with(password.expose_secret(), &salt, ROUNDS))
}

fn verifier_with(password: &str, salt: &[u8], rounds: u32) -> String {
    let salted = salted(password.as_bytes(), salt, rounds);
    let stored = Sha256::digest(mac(&salted, &[b"Client Key"]));
    let server = mac(&salted, &[b"Server Key"]);
    format!("SCRAM-SHA-256${rounds}:{}${}:{}", base64(salt), base64(&stored), base64(&server))
}

/// One block of PBKDF2.
fn salted(password: &[u8], salt: &[u8], rounds: u32) -> [u8; 32] {
    let mut last = mac(password, &[salt, &1_u32.to_be_bytes()]);
    let mut whole = last;
    for _ in 1..rounds {
        last = mac(password, &[&last]);
        whole.iter_mut().zip(last).for_each(|(byte, more)| *byte ^= more);
    }
    whole
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let number = three.iter().fold(0_u32, |number, byte| number << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for place in 0..4 {
            let digit = DIGITS[(number >> (18 - 6 * place) & 63) as usize];
            text.push(if place > three.len() { '=' } else { char::from(digit) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{base64, login_name, verifier_with};
    use crate::TenantId;

    #[test]
    fn base64_is_padded() {
        let text = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| base64(text.as_bytes()));
        assert_eq!(text, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }

    /// The example of RFC 7677: its server signature follows from the server key that is checked here.
    #[test]
    fn a_verifier_is_what_postgresql_would_make_of_the_password() {
        let salt = [0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81];
        assert_eq!(
            verifier_with("pencil", &salt, 4_096),
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$\
             WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
        );
    }

    #[test]
    fn the_database_is_in_the_name_of_the_login() {
        assert_eq!(login_name("clientela", TenantId(1)), "clientela_analyst_1");
        assert_eq!(login_name("My Shop", TenantId(2)).len(), "db_0123456789abcdef_analyst_2".len());
        assert!(login_name(&"a".repeat(60), TenantId(2)).len() < 63);
        assert_ne!(login_name("My Shop", TenantId(2)), login_name("my shop", TenantId(2)));
    }
}
