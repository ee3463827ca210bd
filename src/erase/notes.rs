//! The text of an erasure list: signed receipts one behind the other, with an empty line after each. Reads it, and believes nothing
//! that is not signed by the log.

use chrono::{DateTime, Utc};
use commands::customers::receipt::{ErasureReceipt, FIRST_LINE};
use domain::customers::events::ErasureGround;
use std::num::NonZero;
use std::ops::Range;
use store::erasures::Erasure;
use store::signed_note::{self, NoteError, SIGNATURE_LINE, VerifierKey};
use store::{Position, TenantId};
use uuid::Uuid;

/// A list that was read.
#[derive(Debug)]
pub(crate) struct List {
    text: String,
    pub(crate) entries: Vec<Entry>,
    /// Where its last entry ends.
    end: usize,
    /// Whether half an entry follows, as a crash or a copy made meanwhile leaves it.
    pub(crate) is_torn: bool,
}

/// A receipt of the list.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) tenant: TenantId,
    pub(crate) customer: Uuid,
    pub(crate) subjects: Vec<Uuid>,
    pub(crate) position: Position,
    pub(crate) erased_at: DateTime<Utc>,
    pub(crate) ground: ErasureGround,
    span: Range<usize>,
}

/// Why a list is not believed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {number} (line {line}) {why}")]
pub(crate) struct Disbelief {
    number: usize,
    line: usize,
    why: String,
}

impl List {
    /// Reads a list. What ends before `verified` was verified before and is not again.
    pub(crate) fn read(bytes: Vec<u8>, known: &[VerifierKey], verified: usize) -> Result<Self, Disbelief> {
        let (text, is_cut) = text_of(bytes)?;
        let (spans, is_torn) = spans(&text)?;
        let entries = entries(&text, &spans, known, verified)?;
        let end = spans.last().map_or(0, |span| span.end);
        Ok(Self { text, entries, end, is_torn: is_torn || is_cut })
    }

    /// The signed receipt of an entry.
    pub(crate) fn note(&self, entry: &Entry) -> &str {
        &self.text[entry.span.clone()]
    }

    /// An entry as the database keeps it.
    pub(crate) fn erasure(&self, entry: &Entry) -> Erasure {
        let Entry { tenant, customer, position, erased_at, .. } = entry;
        let receipt = self.note(entry).to_owned();
        Erasure { tenant: *tenant, subject: *customer, position: *position, erased_at: *erased_at, receipt }
    }

    /// What of its text stays: half an entry does not.
    pub(crate) fn kept(&self) -> &str {
        if self.is_torn { &self.text[..self.end] } else { &self.text }
    }
}

impl Entry {
    /// Reads a signed receipt that stands alone.
    pub(crate) fn of(note: &str, known: &[VerifierKey]) -> Result<Self, String> {
        entry(note, 0..note.len(), known, 0)
    }

    /// The line of a person's look at the list.
    pub(crate) fn as_row(&self) -> Vec<String> {
        vec![
            self.erased_at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            self.tenant.0.to_string(),
            self.customer.to_string(),
            self.ground.as_str().to_owned(),
            self.position.0.to_string(),
            self.subjects.len().to_string(),
        ]
    }
}

/// The text, and whether it ends within a character or in zeros, which is what some file systems leave of an interrupted write.
fn text_of(mut bytes: Vec<u8>) -> Result<(String, bool), Disbelief> {
    let whole = bytes.len();
    bytes.truncate(bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
    let good = match std::str::from_utf8(&bytes) {
        Ok(_) => bytes.len(),
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        Err(error) => {
            let before = String::from_utf8_lossy(&bytes[..error.valid_up_to()]).into_owned();
            let number = before.matches(FIRST_LINE).count();
            return Err(Disbelief::at(&before, before.len(), number, "is no text"));
        }
    };
    bytes.truncate(good);
    let text = String::from_utf8(bytes).unwrap_or_default();
    let is_cut = text.len() < whole;
    Ok((text, is_cut))
}

/// Where the entries stand, and whether half an entry follows.
fn spans(text: &str) -> Result<(Vec<Range<usize>>, bool), Disbelief> {
    let (mut spans, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with('\n') {
            at += 1;
            continue;
        }
        match next(rest) {
            Next::Entry(length) => {
                spans.push(at..at + length);
                at += length;
            }
            Next::Torn => return Ok((spans, true)),
            Next::Wrong => return Err(Disbelief::at(text, at, spans.len() + 1, "is no receipt of an erasure")),
        }
    }
    Ok((spans, false))
}

enum Next {
    Entry(usize),
    Torn,
    Wrong,
}

/// What a text begins with: two lines of text, an empty one, and lines of signatures.
fn next(text: &str) -> Next {
    let mut lines = text.split_inclusive('\n');
    let mut length = 0;
    for expected in [FIRST_LINE, "{", ""] {
        let Some(line) = lines.next() else { return Next::Torn };
        let fits = if expected == "{" { line.starts_with('{') } else { line.trim_end_matches('\n') == expected };
        match (line.ends_with('\n'), fits) {
            (true, true) => length += line.len(),
            (false, _) if expected.starts_with(line) || fits => return Next::Torn,
            _ => return Next::Wrong,
        }
    }
    let mut signatures = 0;
    for line in lines {
        match (line.starts_with(SIGNATURE_LINE), line.ends_with('\n')) {
            (true, true) => length += line.len(),
            (true, false) => return Next::Torn,
            (false, false) if SIGNATURE_LINE.starts_with(line) => return Next::Torn,
            (false, _) if signatures > 0 => break,
            (false, _) => return Next::Wrong,
        }
        signatures += 1;
    }
    if signatures > 0 { Next::Entry(length) } else { Next::Torn }
}

/// Reads and verifies all entries, on all processors: a signature takes a twentieth of a millisecond, and a list may be long.
fn entries(
    text: &str,
    spans: &[Range<usize>],
    known: &[VerifierKey],
    verified: usize,
) -> Result<Vec<Entry>, Disbelief> {
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
    let share = spans.len().div_ceil(workers).max(1);
    let read = |(number, span): (usize, &Range<usize>)| {
        let entry = entry(&text[span.clone()], span.clone(), known, verified);
        entry.map_err(|why| Disbelief::at(text, span.start, number + 1, &why))
    };
    let numbered: Vec<_> = spans.iter().enumerate().collect();
    std::thread::scope(|scope| {
        let shares = numbered.chunks(share).map(|share| {
            scope.spawn(move || share.iter().copied().map(read).collect::<Result<Vec<Entry>, Disbelief>>())
        });
        let shares: Vec<_> = shares.collect();
        let joined = shares.into_iter().map(|share| match share.join() {
            Ok(entries) => entries,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        joined.collect::<Result<Vec<_>, _>>().map(|entries| entries.concat())
    })
}

fn entry(note: &str, span: Range<usize>, known: &[VerifierKey], verified: usize) -> Result<Entry, String> {
    let text = if span.end <= verified {
        note.split_once("\n\n").map_or(note, |(text, _)| text)
    } else {
        signed_note::open(note, known).map_err(|error| disbelieved(note, &error))?
    };
    let receipt = ErasureReceipt::read(text).ok_or("is signed, but no receipt that this version can read")?;
    Ok(Entry {
        tenant: TenantId(receipt.tenant),
        customer: receipt.customer_id,
        subjects: receipt.subjects,
        position: Position(receipt.position),
        erased_at: receipt.erased_at,
        ground: receipt.ground,
        span,
    })
}

fn disbelieved(note: &str, error: &NoteError) -> String {
    match error {
        NoteError::UnknownKey => {
            let names = note.lines().filter_map(|line| line.strip_prefix(SIGNATURE_LINE)?.split(' ').next());
            format!("is not signed by this log, but by {}", names.collect::<Vec<_>>().join(", "))
        }
        NoteError::WrongSignature(name) => format!("was changed: the signature of {name} does not fit it"),
        NoteError::Malformed => "is no signed note".to_owned(),
    }
}

impl Disbelief {
    fn at(text: &str, offset: usize, number: usize, why: &str) -> Self {
        let line = text[..offset].matches('\n').count() + 1;
        Self { number, line, why: why.to_owned() }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use commands::customers::receipt::{LeftBefore, kept};
    use store::signed_note::LogKey;

    fn receipt(number: u128) -> ErasureReceipt {
        ErasureReceipt {
            tenant: 1,
            customer_id: Uuid::from_u128(number),
            subjects: vec![Uuid::from_u128(number)],
            ground: ErasureGround::Request,
            actor: "cli".to_owned(),
            position: i64::try_from(number).expect("it is small"),
            erased_at: "2026-03-01T12:00:00Z".parse().unwrap(),
            blanked: ["customers", "customer_profiles", "customer_timeline", "audit_trail"].map(str::to_owned).to_vec(),
            pending: vec![],
            left_before: LeftBefore::default(),
            kept: kept(),
        }
    }

    pub(in crate::erase) fn list(key: &LogKey, numbers: Range<u128>) -> String {
        numbers.map(|number| format!("{}\n", key.sign(&receipt(number).text()))).collect()
    }

    fn read(text: &str, key: &LogKey) -> Result<(usize, usize, bool), String> {
        let list = List::read(text.as_bytes().to_vec(), &[key.verifier()], 0).map_err(|error| error.to_string())?;
        Ok((list.entries.len(), list.end, list.is_torn))
    }

    #[test]
    fn a_list_is_read_however_many_empty_lines_are_between() {
        let key = LogKey::random();
        let text = list(&key, 1..4);
        assert_eq!(read(&text, &key), Ok((3, text.len() - 1, false)));
        assert_eq!(read(&format!("\n{}\n\n{text}", text.trim_end()), &key).map(|read| read.0), Ok(6));
        assert_eq!(read("", &key), Ok((0, 0, false)));
        let list = List::read(text.into_bytes(), &[key.verifier()], 0).unwrap();
        assert_eq!(list.note(&list.entries[1]), key.sign(&receipt(2).text()));
        assert_eq!(list.erasure(&list.entries[2]).subject, Uuid::from_u128(3));
    }

    #[test]
    fn wherever_a_write_was_cut_the_entries_before_are_read() {
        let key = LogKey::random();
        let (whole, next) = (list(&key, 1..3), list(&key, 3..4));
        for cut in 1..next.len() {
            let mut bytes = [whole.as_bytes(), &next.as_bytes()[..cut]].concat();
            let is_whole = cut >= next.len() - 1;
            for zeros in [0, 7] {
                bytes.resize(bytes.len() + zeros, 0);
                let read = List::read(bytes.clone(), &[key.verifier()], 0);
                let read = read.unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
                assert_eq!(read.entries.len(), if is_whole { 3 } else { 2 }, "cut at {cut}");
                assert_eq!(read.is_torn, !is_whole || zeros > 0, "cut at {cut}");
                assert!(is_whole || read.end == whole.len() - 1, "cut at {cut}");
            }
        }
    }

    #[test]
    fn a_changed_entry_and_one_of_another_log_are_named() {
        let (key, other) = (LogKey::random(), LogKey::random());
        let text = list(&key, 1..4);
        let changed = text.replacen("\"position\":2", "\"position\":9", 1);
        let name = key.name();
        assert_eq!(
            read(&changed, &key),
            Err(format!("entry 2 (line 6) was changed: the signature of {name} does not fit it"))
        );
        let foreign = format!("{text}{}", list(&other, 4..5));
        let said = format!("entry 4 (line 16) is not signed by this log, but by {}", other.name());
        assert_eq!(read(&foreign, &key), Err(said));
        let unsigned = text.replacen(&text[text.find("— ").unwrap()..text.find("=\n").unwrap() + 2], "", 1);
        assert_eq!(read(&unsigned, &key), Err("entry 1 (line 1) is no receipt of an erasure".to_owned()));
        assert_eq!(read(&format!("{text}hello\n"), &key), Err("entry 4 (line 16) is no receipt of an erasure".into()));
        let head = key.sign("origin\n7\nAAAA\n");
        assert_eq!(read(&head, &key), Err("entry 1 (line 1) is no receipt of an erasure".to_owned()));
        let empty = key.sign("clientela/erasure/v1\n{}\n");
        let said = "entry 1 (line 1) is signed, but no receipt that this version can read";
        assert_eq!(read(&empty, &key), Err(said.to_owned()));
        let mut bytes = text.clone().into_bytes();
        let within = text.find("\"tenant\":1").unwrap();
        bytes[within] = 0xff;
        let refused = List::read(bytes, &[key.verifier()], 0).unwrap_err();
        assert_eq!(refused.to_string(), "entry 1 (line 2) is no text");
    }

    #[test]
    fn every_changed_byte_is_found_but_in_what_was_verified() {
        let key = LogKey::random();
        let text = list(&key, 1..3);
        for (index, _) in text.char_indices().filter(|(index, _)| *index < text.len() / 2 - 1) {
            let mut bytes = text.clone().into_bytes();
            bytes[index] ^= 1;
            assert!(List::read(bytes, &[key.verifier()], 0).is_err(), "byte {index}");
        }
        let changed = text.replacen("\"position\":1", "\"position\":9", 1);
        let trusted = List::read(changed.into_bytes(), &[key.verifier()], text.len() / 2);
        assert_eq!(trusted.unwrap().entries[0].position, Position(9));
    }
}
