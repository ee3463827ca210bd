//! Child table `customer_words`: the words of names, so that a customer is found by the beginning of any of them.
//!
//! Words are folded here and not by the database: rows and questions cannot differ, and no extension is needed. They are compared
//! byte by byte (collation "C"), so that a beginning is a range: its operators are leakproof and use the index under
//! row-level security.

use super::{CustomerRow, CustomerStatus, Customers};
use crate::read_model::ChangeOf;
use sqlx::PgConnection;
use std::collections::BTreeSet;
use unicode_normalization::UnicodeNormalization;
use uuid::Uuid;

/// Longer words are cut, in names and in questions.
const WORD_CHARS_MAX: usize = 64;

/// The words of a text: small letters without accents. What is neither letter nor digit stands between words.
pub(super) fn words(text: &str) -> BTreeSet<String> {
    let folded: String = text.nfkd().filter(|c| !is_accent(*c)).flat_map(char::to_lowercase).collect();
    let spelt: String = folded.chars().fold(String::with_capacity(folded.len()), |mut spelt, letter| {
        match spelling(letter) {
            Some(letters) => spelt.push_str(letters),
            None => spelt.push(letter),
        }
        spelt
    });
    let words = spelt.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(|word| word.chars().take(WORD_CHARS_MAX).collect()).collect()
}

const fn is_accent(letter: char) -> bool {
    matches!(letter, '\u{300}'..='\u{36f}')
}

/// Letters that are written otherwise where the keyboard has not got them.
const fn spelling(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'þ' => "th",
        'ı' => "i",
        'ς' => "σ",
        _ => return None,
    })
}

/// What a row is found by. Who is gone is not found.
fn of_row(row: &CustomerRow) -> BTreeSet<String> {
    match row.status {
        CustomerStatus::Active | CustomerStatus::Blocked => {
            row.name.iter().chain(&row.company).flat_map(|name| words(name)).collect()
        }
        CustomerStatus::Merged | CustomerStatus::Deleted | CustomerStatus::Erased => BTreeSet::new(),
    }
}

/// Names change rarely: only customers whose names did are touched.
pub(super) async fn replace(conn: &mut PgConnection, changes: &[ChangeOf<Customers>]) -> Result<(), sqlx::Error> {
    let changed: Vec<_> =
        changes.iter().filter(|change| names(change.before.as_ref()) != names(change.after.as_ref())).collect();
    if changed.is_empty() {
        return Ok(());
    }
    let known = changed.iter().filter_map(|change| change.after.as_ref().or(change.before.as_ref()));
    let (owners, keys): (Vec<i32>, Vec<Uuid>) = known.map(|row| (row.tenant.0, row.id)).unzip();
    sqlx::query(
        "delete from customer_words w using unnest($1::int[], $2::uuid[]) as changed (tenant, customer_id) \
         where w.tenant = changed.tenant and w.customer_id = changed.customer_id",
    )
    .bind(owners)
    .bind(keys)
    .execute(&mut *conn)
    .await?;
    let (mut tenants, mut customers, mut found_by) = (vec![], vec![], vec![]);
    for row in changed.iter().filter_map(|change| change.after.as_ref()) {
        for word in of_row(row) {
            tenants.push(row.tenant.0);
            customers.push(row.id);
            found_by.push(word);
        }
    }
    sqlx::query(
        "insert into customer_words (tenant, customer_id, word) \
         select * from unnest($1::int[], $2::uuid[], $3::text[])",
    )
    .bind(tenants)
    .bind(customers)
    .bind(found_by)
    .execute(conn)
    .await?;
    Ok(())
}

/// All that the words are made of; nobody has no names.
fn names(row: Option<&CustomerRow>) -> Option<(CustomerStatus, &str, &str)> {
    let named = row.filter(|row| row.name.is_some() || row.company.is_some());
    named.map(|row| (row.status, row.name.as_deref().unwrap_or_default(), row.company.as_deref().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::words;

    fn spelt(text: &str) -> String {
        words(text).into_iter().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn words_have_neither_accents_nor_capitals() {
        assert_eq!(spelt("Núñez-Ibáñez, José  MARÍA"), "ibanez jose maria nunez");
        assert_eq!(spelt("Jose\u{301}"), "jose", "an accent that stands for itself");
        assert_eq!(spelt("Straße Łódź Ærø ﬁn İstanbul ΟΔΟΣ"), "aero fin istanbul lodz strasse οδοσ");
        assert_eq!(spelt("O'Brien & Sons S.A. 24/7"), "24 7 a brien o s sons");
        assert_eq!(spelt("李明 東京"), "李明 東京");
    }

    #[test]
    fn a_name_of_no_letters_has_no_words_and_a_long_word_is_cut() {
        assert_eq!(spelt("*** — …!"), "");
        assert_eq!(spelt(&"ñ".repeat(200)).chars().count(), 64);
    }
}
