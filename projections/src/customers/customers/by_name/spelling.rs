//! Names in spite of typing errors: words that are known and nearly spelt like one that is not.
//!
//! Only when a question finds nobody. The words with the same first letter are looked through, each once, however many customers have
//! it: by the index of the words, so that nothing is stored for this and rows of other tenants are out of reach.

use super::{NamePlace, NameQuery, Search, beyond};
use crate::customers::customers::CustomerRow;
use crate::query::{AsOf, Page, get};
use std::collections::HashSet;

/// Different words that are looked through for one that is spelt wrong.
const WORDS_MAX: i64 = 10_000;
/// Words that may stand for one that is spelt wrong.
const NEAREST_MAX: usize = 3;
/// Questions that are asked instead.
const QUESTIONS_MAX: usize = 4;

impl Search<'_> {
    /// The customers whose names are nearly spelt so, those with the nearest words first: one page, without a place to go on from, because
    /// places belong to questions. `nobody` is what the question itself found.
    pub(super) async fn nearly(
        &self,
        nobody: AsOf<Page<CustomerRow, NamePlace>>,
        limit: usize,
    ) -> Result<AsOf<Page<CustomerRow, NamePlace>>, sqlx::Error> {
        let mut found = nobody;
        let mut seen = HashSet::new();
        for query in self.respelt().await? {
            let search = Search { query: &query, ..*self };
            let (leader, room) = (search.rarest().await?, limit.saturating_sub(found.value.rows.len()));
            let page = search.page(leader, &search.beginning(leader), room).await?;
            found.value.rows.extend(page.value.rows.into_iter().filter(|row| seen.insert(row.id)));
            if found.value.rows.len() >= limit {
                break;
            }
        }
        Ok(found)
    }

    /// What may have been meant: each word that nobody has is replaced by one that somebody has. None when all words are known, or
    /// nothing is near.
    async fn respelt(&self) -> Result<Vec<NameQuery>, sqlx::Error> {
        let mut questions = vec![Vec::new()];
        for word in &self.query.0 {
            let meant = self.meant_by(word).await?;
            if meant.is_empty() {
                return Ok(Vec::new());
            }
            let with = |question: &Vec<String>| {
                let question = question.clone();
                meant
                    .iter()
                    .map(move |word| [question.as_slice(), std::slice::from_ref(word)].concat())
                    .collect::<Vec<_>>()
            };
            questions = questions.iter().flat_map(with).take(QUESTIONS_MAX).collect();
        }
        questions.retain(|question| *question != self.query.0);
        Ok(questions.into_iter().map(NameQuery).collect())
    }

    /// The word itself when somebody has it, else those that are near.
    async fn meant_by(&self, word: &str) -> Result<Vec<String>, sqlx::Error> {
        if !self.known(word, &beyond(word), 1).await?.is_empty() {
            return Ok(vec![word.to_owned()]);
        }
        match errors_max(word) {
            0 => Ok(Vec::new()),
            _ => Ok(nearest(word, self.known(&first_letter(word), &beyond(&first_letter(word)), WORDS_MAX).await?)),
        }
    }

    /// The different words of names within a range.
    async fn known(&self, first: &str, beyond: &str, most: i64) -> Result<Vec<String>, sqlx::Error> {
        let query = sqlx::query(include_str!("known_words.sql")).bind(first).bind(beyond).bind(most);
        let rows = self.pools.request.fetch_all(self.tenant, query).await?;
        rows.iter().map(|row| get(row, "word")).collect()
    }
}

fn first_letter(word: &str) -> String {
    word.chars().take(1).collect()
}

/// The words that are the fewest typing errors away, if these are few for the length of the word.
fn nearest(word: &str, known: Vec<String>) -> Vec<String> {
    let most = errors_max(word);
    let mut near: Vec<_> = known.into_iter().filter_map(|other| Some((errors(word, &other, most)?, other))).collect();
    near.sort();
    near.into_iter().take(NEAREST_MAX).map(|(_, other)| other).collect()
}

/// How many typing errors a word may have: in a short one, any other is near.
fn errors_max(word: &str) -> usize {
    match word.chars().count() {
        ..3 => 0,
        3..6 => 1,
        _ => 2,
    }
}

/// How many letters are missing, too many, wrong or swapped with their neighbour; none when more than so many.
fn errors(left: &str, right: &str, most: usize) -> Option<usize> {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    if left.len().abs_diff(right.len()) > most {
        return None;
    }
    let mut rows: Vec<Vec<usize>> = vec![(0..=right.len()).collect()];
    for i in 1..=left.len() {
        let mut row = vec![i];
        for j in 1..=right.len() {
            let wrong = rows[i - 1][j - 1] + usize::from(left[i - 1] != right[j - 1]);
            let cheapest = wrong.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            let is_swapped = i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1];
            row.push(if is_swapped { cheapest.min(rows[i - 2][j - 2] + 1) } else { cheapest });
        }
        rows.push(row);
    }
    Some(rows[left.len()][right.len()]).filter(|errors| *errors <= most)
}

#[cfg(test)]
mod tests {
    use super::{errors, errors_max, nearest};

    #[test]
    fn typing_errors_are_letters_that_are_missing_too_many_wrong_or_swapped() {
        for (left, right, expected) in [
            ("gonzalez", "gonzalez", Some(0)),
            ("gonsalez", "gonzalez", Some(1)),
            ("gonzlez", "gonzalez", Some(1)),
            ("gonzzalez", "gonzalez", Some(1)),
            ("gonzaelz", "gonzalez", Some(1)),
            ("gonsales", "gonzalez", Some(2)),
            ("garcia", "gonzalez", None),
            ("mu\u{f1}oz", "munoz", Some(1)),
        ] {
            assert_eq!(errors(left, right, 2), expected, "{left} {right}");
        }
    }

    #[test]
    fn short_words_must_be_nearer_and_the_nearest_come_first() {
        let near = |word: &str, known: &[&str]| nearest(word, known.iter().map(|word| (*word).to_owned()).collect());
        assert_eq!(near("lopes", &["lopez", "lorenz", "leon"]), ["lopez"]);
        assert_eq!(near("gonsales", &["gonzalez", "gonzales", "garcia"]), ["gonzales", "gonzalez"]);
        assert_eq!((errors_max("an"), errors_max("\u{f1}u"), errors_max("ana")), (0, 0, 1), "no other is looked for");
        assert_eq!(near("an", &["ana"]), [""; 0]);
    }
}
