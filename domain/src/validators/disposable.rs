//! Providers of mailboxes that last minutes: a list kept by others, whose origin and licence stand beside it.

use std::collections::HashSet;
use std::sync::LazyLock;

static LISTED: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| include_str!("disposable_domains.txt").lines().filter(|line| !line.is_empty()).collect());

/// The domain of the list that this one is, or that it belongs to. Capitals and a dot at the end do not matter.
pub fn listed(domain: &str) -> Option<&'static str> {
    let domain = domain.trim_end_matches('.').to_ascii_lowercase();
    let parents =
        std::iter::successors(Some(domain.as_str()), |domain| domain.split_once('.').map(|(_, parent)| parent));
    // No name has more labels; a text of dots is not searched to its end.
    parents.take(MOST_LABELS).find_map(|domain| LISTED.get(domain).copied())
}

const MOST_LABELS: usize = 127;

#[cfg(test)]
mod tests {
    use super::listed;

    #[test]
    fn a_domain_is_listed_with_all_below_it_and_nothing_else() {
        assert_eq!(listed("10minutemail.com"), Some("10minutemail.com"));
        assert_eq!(listed("Mail.10MinuteMail.COM."), Some("10minutemail.com"));
        for other in ["", ".", "com", "gmail.com", "x10minutemail.com", "10minutemail.com.example.org", "10minutemail"]
        {
            assert_eq!(listed(other), None, "{other}");
        }
    }
}
