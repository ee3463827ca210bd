//! The verdict on an e-mail address: its form, its domain, whether the mailbox is one for ten minutes or one that anybody can have,
//! and whether its domain takes mail. That last fact is looked up by who asks, if at all.

use crate::validators::address::{Address, AddressError};
use crate::validators::{Check, Checks, disposable, free_mail};

/// What the name servers say of a domain that mail is to go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MailServers {
    /// Nobody was asked.
    #[default]
    NotAsked,
    /// There are some: those that the domain names, or else the domain itself (RFC 5321, section 5.1).
    Found,
    /// The domain says that it takes no mail (RFC 7505: null MX).
    Declined,
    /// The domain is there, but names no server and is none.
    Missing,
    /// There is no such domain.
    NoDomain,
    /// No answer came in time, or one that says nothing.
    Unanswered,
}

impl MailServers {
    /// Whether no mail can come there: what nobody said is not held against it.
    pub const fn take_nothing(self) -> bool {
        match self {
            Self::Declined | Self::Missing | Self::NoDomain => true,
            Self::NotAsked | Self::Found | Self::Unanswered => false,
        }
    }

    fn check(self) -> Check {
        match self {
            Self::NotAsked => Check::skipped("the mail servers of the domain are not looked up"),
            Self::Found => Check::passed("the domain takes mail"),
            Self::Declined => Check::failed("the domain says that it takes no mail"),
            Self::Missing => Check::failed("the domain has no mail server"),
            Self::NoDomain => Check::failed("there is no such domain"),
            Self::Unanswered => Check::warning("whether the domain takes mail could not be found out"),
        }
    }
}

/// What can be said of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmailVerdict {
    /// Whether mail can be sent to an address of this form, and as far as that was looked up to this domain.
    pub valid: bool,
    /// As people write it; none when it has no form.
    pub email: Option<String>,
    /// Its domain as people write it.
    pub domain: Option<String>,
    /// Its domain as machines write it.
    pub ascii_domain: Option<String>,
    /// Whether anybody can have a mailbox of this domain.
    pub free_mail: bool,
    /// `syntax`, `length`, `domain_format`, `special_use`, `temporary_domain` (none when it is not listed) and `mx`.
    pub checks: Checks,
}

impl EmailVerdict {
    /// Whether the domain gives out mailboxes for minutes.
    pub fn is_temporary(&self) -> bool {
        crate::validators::check(&self.checks, TEMPORARY).is_some()
    }

    /// The domain whose mail servers are worth looking up; none when no mail can be sent to the address anyway.
    pub fn mail_domain(&self) -> Option<&str> {
        self.ascii_domain.as_deref().filter(|_| self.valid)
    }

    /// The verdict with what the name servers said of [`Self::mail_domain`].
    #[must_use]
    pub fn with_mail_servers(mut self, servers: MailServers) -> Self {
        if self.mail_domain().is_none() {
            return self;
        }
        self.valid = !servers.take_nothing();
        for (_, check) in self.checks.iter_mut().filter(|(name, _)| *name == MX) {
            *check = Some(servers.check());
        }
        self
    }
}

/// The check of mailboxes for minutes.
const TEMPORARY: &str = "temporary_domain";
/// The check of the mail servers.
const MX: &str = "mx";

/// Looks at an address as it stands, white space around it included.
pub fn validate(text: &str) -> EmailVerdict {
    match Address::parse(text) {
        Ok(address) => of_address(&address),
        Err(error) => no_address(error, text.rsplit_once('@').and_then(|(_, domain)| disposable::listed(domain))),
    }
}

fn of_address(address: &Address) -> EmailVerdict {
    let domain = address.domain();
    let special_use = domain.special_use();
    let temporary = disposable::listed(domain.ascii());
    let checks = vec![
        ("syntax", Some(Check::passed("the address is well formed"))),
        ("length", Some(Check::passed("the address is not too long"))),
        ("domain_format", Some(Check::passed("the domain is well formed"))),
        ("special_use", Some(special_use_check(special_use))),
        (TEMPORARY, temporary.map(temporary_check)),
        (MX, Some(MailServers::NotAsked.check())),
    ];
    EmailVerdict {
        valid: special_use.is_none(),
        email: Some(address.normalized()),
        domain: Some(domain.unicode().to_owned()),
        ascii_domain: Some(domain.ascii().to_owned()),
        free_mail: free_mail::is_free(domain.ascii()),
        checks,
    }
}

fn special_use_check(name: Option<&str>) -> Check {
    match name {
        None => Check::passed("the domain is not reserved"),
        Some(name) => Check::failed(format!("names that end with .{name} are reserved: no mail comes there")),
    }
}

fn temporary_check(listed: &str) -> Check {
    Check::warning(format!("{listed} gives out mailboxes for minutes"))
}

fn no_address(error: AddressError, temporary: Option<&'static str>) -> EmailVerdict {
    let failed = || Some(Check::failed(error.to_string()));
    let skipped = || Some(Check::skipped("the address is not well formed"));
    let (is_length, is_domain) = (error.is_length(), matches!(error, AddressError::Domain(_)));
    let passed_unless =
        |is_wrong: bool, message: &'static str| if is_wrong { failed() } else { Some(Check::passed(message)) };
    let checks = vec![
        ("syntax", if is_length || is_domain { Some(Check::passed("the address is well formed")) } else { failed() }),
        ("length", passed_unless(is_length, "the address is not too long")),
        ("domain_format", if is_domain { failed() } else { skipped() }),
        ("special_use", skipped()),
        (TEMPORARY, temporary.map(temporary_check)),
        (MX, Some(MailServers::NotAsked.check())),
    ];
    EmailVerdict { valid: false, email: None, domain: None, ascii_domain: None, free_mail: false, checks }
}

#[cfg(test)]
mod tests {
    use super::{MailServers, validate};
    use crate::validators::{Status, check};

    fn status(text: &str, name: &str) -> Option<Status> {
        check(&validate(text).checks, name).map(|check| check.status)
    }

    #[test]
    fn an_address_of_a_company_has_nothing_against_it() {
        let verdict = validate("cliente@Empresa.com");
        assert!(verdict.valid && !verdict.free_mail && !verdict.is_temporary());
        assert_eq!(verdict.domain.as_deref(), Some("empresa.com"));
        assert_eq!(verdict.email.as_deref(), Some("cliente@empresa.com"));
        assert_eq!(status("cliente@empresa.com", "domain_format"), Some(Status::Passed));
        assert_eq!(status("cliente@empresa.com", "temporary_domain"), None);
        assert_eq!(status("cliente@empresa.com", "mx"), Some(Status::Skipped));
    }

    #[test]
    fn a_mailbox_for_minutes_is_valid_with_a_warning() {
        let verdict = validate("test@sub.10minutemail.com");
        assert!(verdict.valid && verdict.is_temporary());
        assert_eq!(status("test@sub.10minutemail.com", "temporary_domain"), Some(Status::Warning));
        assert!(validate("ana@gmail.com").free_mail);
        let with_a_dot = validate("x@10minutemail.com.");
        assert!(!with_a_dot.valid && with_a_dot.is_temporary());
    }

    #[test]
    fn a_domain_that_takes_no_mail_makes_an_address_invalid_and_silence_does_not() {
        for (servers, valid, status) in [
            (MailServers::NotAsked, true, Status::Skipped),
            (MailServers::Found, true, Status::Passed),
            (MailServers::Declined, false, Status::Failed),
            (MailServers::Missing, false, Status::Failed),
            (MailServers::NoDomain, false, Status::Failed),
            (MailServers::Unanswered, true, Status::Warning),
        ] {
            let verdict = validate("ana@empresa.com").with_mail_servers(servers);
            let found = check(&verdict.checks, "mx").map(|check| check.status);
            assert_eq!((verdict.valid, found), (valid, Some(status)), "{servers:?}");
        }
    }

    #[test]
    fn who_is_invalid_anyway_is_not_looked_up_and_not_saved_by_mail_servers() {
        assert_eq!(validate("ana@MÜNCHEN.de").mail_domain(), Some("xn--mnchen-3ya.de"));
        for text in ["ana", "ana@my_shop.com", "ana@printer.local", ""] {
            let verdict = validate(text);
            assert_eq!(verdict.mail_domain(), None, "{text}");
            assert_eq!(verdict.clone().with_mail_servers(MailServers::Found), verdict, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_by_its_check() {
        for (text, name) in [
            ("ana", "syntax"),
            ("ana@my_shop.com", "domain_format"),
            ("ana@printer.local", "special_use"),
            (&format!("{}@example.com", "a".repeat(65)), "length"),
        ] {
            let verdict = validate(text);
            let failed: Vec<_> = verdict
                .checks
                .iter()
                .filter(|(_, check)| check.as_ref().is_some_and(crate::validators::Check::has_failed))
                .collect();
            assert_eq!((verdict.valid, failed.len(), failed[0].0), (false, 1, name), "{text}");
        }
    }
}
