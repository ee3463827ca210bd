//! Providers that give a mailbox to anybody: such an address says nothing of the company its owner works for.

/// Names that such providers use below many endings: `yahoo.es`, `hotmail.co.uk`.
const UNDER_MANY_ENDINGS: &[&str] = &["gmx", "hotmail", "live", "outlook", "yahoo", "yandex"];

/// The others.
const PROVIDERS: &[&str] = &[
    "126.com",
    "163.com",
    "aol.com",
    "bluewin.ch",
    "btinternet.com",
    "comcast.net",
    "daum.net",
    "email.com",
    "fastmail.com",
    "free.fr",
    "freenet.de",
    "gmail.com",
    "googlemail.com",
    "hey.com",
    "icloud.com",
    "inbox.com",
    "laposte.net",
    "libero.it",
    "mac.com",
    "mail.com",
    "mail.ru",
    "me.com",
    "msn.com",
    "naver.com",
    "ono.com",
    "orange.es",
    "orange.fr",
    "pm.me",
    "proton.me",
    "protonmail.com",
    "qq.com",
    "rediffmail.com",
    "rocketmail.com",
    "sapo.pt",
    "seznam.cz",
    "sfr.fr",
    "sina.com",
    "t-online.de",
    "telefonica.net",
    "terra.es",
    "tuta.com",
    "tutanota.com",
    "uol.com.br",
    "virgilio.it",
    "wanadoo.es",
    "wanadoo.fr",
    "web.de",
    "wp.pl",
    "ymail.com",
    "zoho.com",
];

/// Whether anybody can have a mailbox of this domain, which is written in small letters.
pub fn is_free(domain: &str) -> bool {
    let ends_as_country_or_com = |ending: &str| matches!(ending.len(), 2 | 3 | 5 | 6) && !ending.starts_with('.');
    let is_branded = domain.split_once('.').is_some_and(|(name, ending)| {
        UNDER_MANY_ENDINGS.binary_search(&name).is_ok() && ends_as_country_or_com(ending)
    });
    is_branded || PROVIDERS.binary_search(&domain).is_ok()
}

#[cfg(test)]
mod tests {
    use super::{PROVIDERS, UNDER_MANY_ENDINGS, is_free};

    #[test]
    fn providers_are_told_from_companies() {
        for domain in ["gmail.com", "yahoo.es", "hotmail.co.uk", "gmx.de", "outlook.com", "live.com.ar", "web.de"] {
            assert!(is_free(domain), "{domain}");
        }
        for domain in ["empresa.com", "mygmail.com", "yahoo.empresa.com", "", ".", "live", "outlook.office365.com"] {
            assert!(!is_free(domain), "{domain}");
        }
        assert!(PROVIDERS.is_sorted() && UNDER_MANY_ENDINGS.is_sorted());
    }
}
