//! Child table `customer_words`: the words of names, so that a customer is found by the beginning of any of them.
//!
//! Words are folded here and not by the database: rows and questions cannot differ, and no extension is needed. They are compared
//! byte by byte (collation "C"), so that a beginning is a range: its operators are leakproof and use the index under
//! row-level security.

use super::{CustomerRow, CustomerStatus, Customers, owner};
use crate::read_model::ChangeOf;
use crate::tables::{Columns, TableRow, Writer};
use std::collections::BTreeSet;
use unicode_normalization::UnicodeNormalization;

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
pub(super) async fn replace(writer: &mut Writer<'_>, changes: &[ChangeOf<Customers>]) -> Result<(), sqlx::Error> {
    let is_changed = |change: &&ChangeOf<Customers>| names(change.before.as_ref()) != names(change.after.as_ref());
    let changed = || changes.iter().filter(is_changed);
    let found_by = |row| of_row(row).into_iter().map(move |word| Word { row, word });
    let rows = changed().filter_map(|change| change.after.as_ref());
    writer.replace(changed().filter_map(owner), rows.flat_map(found_by)).await
}

/// A row of the table.
struct Word<'a> {
    row: &'a CustomerRow,
    word: String,
}

impl TableRow for Word<'_> {
    const TABLE: &'static str = "customer_words";

    fn put(&self, to: &mut Columns) {
        to.put("tenant", self.row.tenant.0).put("customer_id", self.row.id).put("word", self.word.as_str());
    }
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
