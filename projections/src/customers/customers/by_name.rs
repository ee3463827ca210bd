//! Search by name: customers of whose words each word that is asked for begins one.
//!
//! Only with operators that use the index under row-level security: ranges of words. The list follows the words, so exact ones come
//! first, and a page costs the same at any depth. Of several words one leads, the rarest; of its places a bounded number is
//! looked at for one page, which may be shorter for it, and says where to go on.

mod spelling;

use super::words::words;
use super::{CustomerRow, read};
use crate::query::{AsOf, Page, failed, get, listed};
use sqlx::postgres::PgRow;
use store::postgres::Pools;
use store::{StoreError, TenantId};
use uuid::Uuid;

/// Places in the list of words that are looked at for one page when they must fit other words too.
const LOOKED_AT_MAX: i64 = 2_000;

/// What is asked for: beginnings of words, none of which begins another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameQuery(Vec<String>);

/// Why a text is no question for a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NameQueryError {
    /// No letter and no digit.
    #[error("must have a letter or a digit")]
    Empty,
    /// Longer than any name.
    #[error("must not have more than {} characters", NameQuery::CHARS_MAX)]
    TooLong,
    /// More words than names have.
    #[error("must not have more than {} words", NameQuery::WORDS_MAX)]
    TooManyWords,
}

impl NameQuery {
    /// The most characters of a question.
    pub const CHARS_MAX: usize = 200;
    /// The most words of a question.
    pub const WORDS_MAX: usize = 8;

    /// Reads a question: accents, capitals and what stands between words make no difference.
    ///
    /// # Errors
    /// When there is nothing to look for, or too much.
    pub fn parse(text: &str) -> Result<Self, NameQueryError> {
        if text.chars().count() > Self::CHARS_MAX {
            return Err(NameQueryError::TooLong);
        }
        let all = words(text);
        let begins_another = |word: &String| all.iter().any(|other| other != word && other.starts_with(word.as_str()));
        let words: Vec<String> = all.iter().filter(|word| !begins_another(word)).cloned().collect();
        match words.len() {
            0 => Err(NameQueryError::Empty),
            1..=Self::WORDS_MAX => Ok(Self(words)),
            _ => Err(NameQueryError::TooManyWords),
        }
    }

    /// The word that leads to a place; none when the place is of another question.
    #[must_use]
    pub fn leads_to(&self, place: &NamePlace) -> bool {
        self.leader(place).is_some()
    }

    fn leader(&self, place: &NamePlace) -> Option<usize> {
        self.0.iter().position(|word| place.word.starts_with(word.as_str()))
    }
}

/// A place in the list: a word, and a customer who has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamePlace {
    /// The word.
    pub word: String,
    /// The customer.
    pub customer: Uuid,
}

/// The customers whose names fit, in the order of their words, after a place or from the first one on. When there are none, those
/// whose names are nearly spelt so: one page.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn find_by_name(
    pools: &Pools,
    tenant: TenantId,
    query: &NameQuery,
    after: Option<NamePlace>,
    limit: usize,
) -> Result<AsOf<Page<CustomerRow, NamePlace>>, StoreError> {
    let search = Search { pools, tenant, query };
    let leader = match after.as_ref().and_then(|place| query.leader(place)) {
        Some(leader) => leader,
        None => search.rarest().await.map_err(failed("customers"))?,
    };
    let from = after.clone().unwrap_or_else(|| search.beginning(leader));
    let page = search.page(leader, &from, limit).await.map_err(failed("customers"))?;
    match after {
        None if page.value.rows.is_empty() && page.value.next.is_none() => {
            search.nearly(page, limit).await.map_err(failed("customers"))
        }
        _ => Ok(page),
    }
}

#[derive(Clone, Copy)]
struct Search<'a> {
    pools: &'a Pools,
    tenant: TenantId,
    query: &'a NameQuery,
}

impl Search<'_> {
    /// Where the list begins when a word leads.
    fn beginning(&self, leader: usize) -> NamePlace {
        NamePlace { word: self.query.0[leader].clone(), customer: Uuid::nil() }
    }

    /// The word that the fewest begin with, as far as they are counted.
    async fn rarest(&self) -> Result<usize, sqlx::Error> {
        let words = &self.query.0;
        if words.len() == 1 {
            return Ok(0);
        }
        let counted = sqlx::query(include_str!("by_name/rarest.sql"))
            .bind(words)
            .bind(words.iter().map(|word| beyond(word)).collect::<Vec<_>>())
            .bind(LOOKED_AT_MAX);
        let found = self.pools.request.fetch_optional(self.tenant, counted).await?;
        let place: i64 = found.map_or(Ok(1), |row| get(&row, "place"))?;
        Ok(usize::try_from(place - 1).unwrap_or_default().min(words.len() - 1))
    }

    async fn page(
        &self,
        leader: usize,
        after: &NamePlace,
        limit: usize,
    ) -> Result<AsOf<Page<CustomerRow, NamePlace>>, sqlx::Error> {
        let lead = &self.query.0[leader];
        let others: Vec<&String> = self.query.0.iter().filter(|word| *word != lead).collect();
        let looked_at = if others.is_empty() { i64::MAX } else { LOOKED_AT_MAX };
        let sql = concat!(include_str!("columns.sql"), include_str!("by_name/page.sql"));
        let page = sqlx::query(sql)
            .bind(&after.word)
            .bind(after.customer)
            .bind(beyond(lead))
            .bind(lead)
            .bind(looked_at)
            .bind(others.clone())
            .bind(others.iter().map(|word| beyond(word)).collect::<Vec<_>>())
            .bind(i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1));
        let found = self.pools.request.fetch_all(self.tenant, page).await?;
        let place = |row: &PgRow| Ok(NamePlace { word: get(row, "word")?, customer: get(row, "id")? });
        let mut page = listed(&found, limit, read, place)?;
        if page.value.next.is_none() && !others.is_empty() {
            page.value.next = self.last_looked_at(lead, after).await?;
        }
        Ok(page)
    }

    /// Where the next page goes on although this one is not full; none when all places were looked at.
    async fn last_looked_at(&self, lead: &str, after: &NamePlace) -> Result<Option<NamePlace>, sqlx::Error> {
        let place = sqlx::query(include_str!("by_name/last_looked_at.sql"))
            .bind(&after.word)
            .bind(after.customer)
            .bind(beyond(lead))
            .bind(LOOKED_AT_MAX - 1);
        let found = self.pools.request.fetch_optional(self.tenant, place).await?;
        found.map(|row| Ok(NamePlace { word: get(&row, "word")?, customer: get(&row, "customer_id")? })).transpose()
    }
}

/// What stands behind all words with this beginning: they are compared byte by byte, and no word has this character.
fn beyond(word: &str) -> String {
    format!("{word}\u{10ffff}")
}

#[cfg(test)]
mod tests {
    use super::{NamePlace, NameQuery, NameQueryError, beyond};
    use uuid::Uuid;

    fn asked(text: &str) -> Result<Vec<String>, NameQueryError> {
        NameQuery::parse(text).map(|query| query.0)
    }

    #[test]
    fn a_question_is_folded_like_names_and_asks_nothing_twice() {
        assert_eq!(asked("MARÍA de-los Ángeles").unwrap(), ["angeles", "de", "los", "maria"]);
        assert_eq!(asked("ana an Ana a").unwrap(), ["ana"], "who has the longer beginning has the shorter one");
    }

    #[test]
    fn a_question_asks_for_something_and_not_for_too_much() {
        for nothing in ["", " ", "%_*", "—"] {
            assert_eq!(asked(nothing), Err(NameQueryError::Empty), "{nothing}");
        }
        assert_eq!(asked("a b c d e f g h").unwrap().len(), 8);
        assert_eq!(asked("a b c d e f g h i"), Err(NameQueryError::TooManyWords));
        assert_eq!(asked(&"ñ".repeat(201)), Err(NameQueryError::TooLong));
    }

    #[test]
    fn a_place_belongs_to_the_question_whose_word_begins_it() {
        let place = |word: &str| NamePlace { word: word.to_owned(), customer: Uuid::nil() };
        let query = NameQuery::parse("ana lo").unwrap();
        assert!(query.leads_to(&place("lopez")) && query.leads_to(&place("ana")));
        assert!(!query.leads_to(&place("l")) && !query.leads_to(&place("garcia")));
    }

    #[test]
    fn all_words_with_a_beginning_stand_before_its_end() {
        for word in ["an", "ana", "anz\u{10fffd}", "añ"] {
            assert_eq!(word < beyond("an").as_str(), word.starts_with("an"), "{word}");
        }
    }
}
