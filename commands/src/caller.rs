//! Who asks, for which tenant, when, and what they may do.

use crate::error::CommandError;
use crate::refusals;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use domain::access::settings::TenantSettings;
use domain::{Moment, Refusal};
use store::TenantId;

pub use domain::access::scope::Scope;

/// The first business date.
const EARLIEST: NaiveDate = NaiveDate::from_ymd_opt(1900, 1, 1).expect("it is in the calendar");
/// The first tenant, which is there from the start: who operates the installation has a key of it.
pub const INSTALLATION: TenantId = TenantId(1);
/// How far ahead of this server's clock a business time may lie.
const AHEAD_MAX: TimeDelta = TimeDelta::days(1);

/// The door that a command comes in by: the "from where" of the log. An address of the network would be personal data of whoever sits
/// behind it, and the log keeps for ever what it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    /// The API.
    Http,
    /// The command line, on the machine itself.
    Cli,
    /// A row of an import.
    Import,
    /// Something that follows from an event.
    Reactor,
    /// Something that the clock asked for.
    Job,
    /// The start of a server: an older backup had brought back what was erased.
    Restore,
}

impl Door {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Http, Self::Cli, Self::Import, Self::Reactor, Self::Job, Self::Restore];

    /// The stored name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Cli => "cli",
            Self::Import => "import",
            Self::Reactor => "reactor",
            Self::Job => "job",
            Self::Restore => "restore",
        }
    }
}

/// The authenticated origin of a command. The tenant comes from here and from nowhere else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// For whom.
    pub tenant: TenantId,
    /// Who acts: `key:<uuid>`, `user:<uuid>`, `job:<name>`, `reactor:<name>`, `cli`, `system:restore`.
    pub actor: String,
    /// What they may do.
    pub scopes: Vec<Scope>,
    /// The time of the request; an import states its own.
    pub now: DateTime<Utc>,
    /// The tenant's time zone, in which business dates are.
    pub zone: Tz,
    /// What the tenant decided for itself.
    pub settings: TenantSettings,
    /// Id of the request that carries the command.
    pub request_id: Option<String>,
    /// Id shared by all that one outside occasion set off.
    pub correlation_id: Option<String>,
    /// By which door.
    pub via: Door,
}

impl Caller {
    /// Whether the caller may do something.
    ///
    /// # Errors
    /// [`CommandError::Forbidden`] when they may not.
    pub fn require(&self, scope: Scope) -> Result<(), CommandError> {
        match self.scopes.iter().any(|held| held.grants(scope)) {
            true => Ok(()),
            false => Err(CommandError::Forbidden { scope }),
        }
    }

    /// Whether the caller may do what concerns all tenants, such as to pause a projector: with the scope `operations`, in the
    /// tenant of the installation. Another tenant's `admin` may do all within its own walls, and this is not within them.
    ///
    /// # Errors
    /// [`CommandError::Forbidden`] or [`CommandError::OperatorsOnly`] when they may not.
    pub fn require_operator(&self) -> Result<(), CommandError> {
        self.require(Scope::Operations)?;
        match self.tenant {
            INSTALLATION => Ok(()),
            _ => Err(CommandError::OperatorsOnly),
        }
    }

    /// Refuses a business time before 1900 or still to come. A day ahead is the difference of two clocks or time zones; more
    /// is a mistake, which would move an account's own clock and let its points expire.
    ///
    /// # Errors
    /// A refusal that names the field, a JSON pointer.
    pub fn require_business_time(&self, field: &str, stated: Option<DateTime<Utc>>) -> Result<(), Refusal> {
        match stated {
            Some(at) if at > self.now + AHEAD_MAX => Err(refusals::in_the_future(field)),
            Some(at) if at < beginning_of(EARLIEST, self.zone) => Err(refusals::too_long_ago(field)),
            Some(_) | None => Ok(()),
        }
    }

    /// The business date of a moment: the day it is then where the tenant is.
    #[must_use]
    pub fn business_date(&self, at: DateTime<Utc>) -> NaiveDate {
        at.with_timezone(&self.zone).date_naive()
    }

    /// A moment with its business date.
    #[must_use]
    pub fn moment(&self, at: DateTime<Utc>) -> Moment {
        Moment { at, today: self.business_date(at) }
    }

    /// The time of the request with its business date.
    #[must_use]
    pub fn this_moment(&self) -> Moment {
        self.moment(self.now)
    }

    /// The business date now.
    #[must_use]
    pub fn today(&self) -> NaiveDate {
        self.business_date(self.now)
    }
}

/// The moment at which a business date begins in a time zone. Where the clocks skip midnight the day begins at the first
/// hour that exists.
#[must_use]
pub fn beginning_of(date: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = date.and_time(chrono::NaiveTime::MIN);
    let begins = (0..=SKIPPED_HOURS_MAX).find_map(|hours| {
        let local = midnight + chrono::TimeDelta::hours(hours);
        local.and_local_timezone(zone).earliest()
    });
    begins.map_or_else(|| midnight.and_utc(), |begins| begins.with_timezone(&Utc))
}

/// Clocks skip an hour at a change to summer time, and once a day when a country crossed the date line.
const SKIPPED_HOURS_MAX: i64 = 24;

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(zone: Tz, scopes: &[Scope]) -> Caller {
        Caller {
            tenant: TenantId(1),
            actor: "cli".to_owned(),
            scopes: scopes.to_vec(),
            now: "2026-03-01T23:30:00Z".parse().unwrap(),
            zone,
            settings: TenantSettings::default(),
            request_id: None,
            correlation_id: None,
            via: Door::Http,
        }
    }

    #[test]
    fn a_scope_allows_itself_and_admin_allows_all() {
        assert!(caller(Tz::UTC, &[Scope::LoyaltyWrite]).require(Scope::LoyaltyWrite).is_ok());
        assert!(caller(Tz::UTC, &[Scope::Admin]).require(Scope::LoyaltyWrite).is_ok());
        let refused = caller(Tz::UTC, &[Scope::LoyaltyWrite]).require(Scope::CustomersWrite);
        assert!(matches!(refused, Err(CommandError::Forbidden { scope: Scope::CustomersWrite })));
    }

    #[test]
    fn what_concerns_all_tenants_is_for_the_operators_of_the_installation() {
        let of = |tenant, scope| Caller { tenant: TenantId(tenant), ..caller(Tz::UTC, &[scope]) };
        assert!(of(1, Scope::Operations).require_operator().is_ok());
        assert!(of(1, Scope::Admin).require_operator().is_ok());
        assert!(matches!(of(2, Scope::Admin).require_operator(), Err(CommandError::OperatorsOnly)));
        assert!(matches!(of(1, Scope::AuditRead).require_operator(), Err(CommandError::Forbidden { .. })));
    }

    #[test]
    fn a_business_date_is_the_tenants() {
        assert_eq!(caller(Tz::UTC, &[]).today().to_string(), "2026-03-01");
        assert_eq!(caller(Tz::Europe__Madrid, &[]).today().to_string(), "2026-03-02");
        assert_eq!(caller(Tz::America__Mexico_City, &[]).today().to_string(), "2026-03-01");
    }

    #[test]
    fn a_day_begins_at_midnight_where_the_tenant_is() {
        let date = "2026-07-01".parse().unwrap();
        assert_eq!(beginning_of(date, Tz::Europe__Madrid).to_rfc3339(), "2026-06-30T22:00:00+00:00");
    }

    #[test]
    fn a_day_without_midnight_begins_when_the_clocks_have_moved() {
        let date = "2018-11-04".parse().unwrap();
        assert_eq!(beginning_of(date, Tz::America__Sao_Paulo).to_rfc3339(), "2018-11-04T03:00:00+00:00");
    }

    #[test]
    fn business_time_begins_in_1900_where_the_tenant_is_and_ends_a_day_ahead() {
        let code = |zone, at: &str| {
            let told = caller(zone, &[]).require_business_time("/on", at.parse().ok());
            told.err().map(|refusal| (refusal.code, refusal.field.unwrap_or_default()))
        };
        let refused = |code: &str| Some((code.to_owned(), "/on".to_owned()));
        assert_eq!(code(Tz::UTC, "1900-01-01T00:00:00Z"), None);
        assert_eq!(code(Tz::UTC, "1899-12-31T23:59:59Z"), refused("too_long_ago"));
        assert_eq!(code(Tz::Asia__Tokyo, "1899-12-31T15:00:00Z"), None);
        assert_eq!(code(Tz::UTC, "0001-01-01T00:00:00Z"), refused("too_long_ago"));
        assert_eq!(code(Tz::UTC, "2026-03-02T23:30:00Z"), None);
        assert_eq!(code(Tz::UTC, "2026-03-02T23:30:01Z"), refused("in_the_future"));
    }
}
