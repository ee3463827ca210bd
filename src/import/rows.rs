//! From bytes to rows: gzip by content, CSV, fields found by their columns' names. What a row is, a [`Form`] says.

use anyhow::{Context, bail};
use csv::{ByteRecord, ReaderBuilder};
use domain::InvalidValue;
use flate2::read::MultiGzDecoder;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::{BufReader, Read as _, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A longer record is none.
const RECORD_BYTES_MAX: u64 = 1 << 20;

/// A row that can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// Its number, from 1; the header does not count.
    pub(super) row: u64,
    /// Rows with the same one keep their order.
    pub(super) lane: String,
    /// What is sent of it; its number stands in it, too.
    pub(super) body: Value,
    /// As it stands in the file, for the rejects.
    pub(super) fields: Arc<ByteRecord>,
    pub(super) line: u64,
}

/// A row that cannot be taken, and why.
#[derive(Debug, Clone)]
pub(super) struct Reject {
    pub(super) row: u64,
    pub(super) line: u64,
    pub(super) code: String,
    pub(super) reason: String,
    pub(super) fields: Arc<ByteRecord>,
}

/// Why a row cannot be taken: a code, and the reason in words.
pub(super) type Wrong = (&'static str, String);

/// What the rows of a file are.
pub(super) trait Form: Send + 'static {
    /// Finds its columns.
    fn fit(&mut self, header: &Header) -> anyhow::Result<()>;

    /// Whether the column at a place is one of them.
    fn takes(&self, place: usize) -> bool;

    /// The lane of a row, and what is sent of it.
    fn read(&mut self, header: &Header, row: u64, fields: &ByteRecord) -> Result<(String, Value), Wrong>;
}

/// The names of the columns.
#[derive(Debug, Default)]
pub(super) struct Header(ByteRecord);

/// What was read.
#[derive(Debug)]
pub(super) enum Read {
    Row(Row),
    Reject(Reject),
}

/// Reads a file once, from its beginning.
pub(super) struct Reader<F> {
    path: PathBuf,
    csv: csv::Reader<Bounded<Box<dyn std::io::Read + Send>>>,
    since: Arc<AtomicU64>,
    header: Header,
    form: F,
    rows: u64,
    extent: Arc<Extent>,
}

/// How much of a file has been read, for an estimate of its rows.
#[derive(Debug)]
pub(super) struct Extent {
    bytes: u64,
    bytes_read: AtomicU64,
    rows_read: AtomicU64,
    ended: AtomicU64,
}

impl Extent {
    /// How many rows the file has: exactly once it is read, before that by the bytes so far.
    pub(super) fn rows_estimated(&self) -> u64 {
        let [bytes, rows, ended] =
            [&self.bytes_read, &self.rows_read, &self.ended].map(|count| count.load(Ordering::Relaxed));
        match (ended, bytes) {
            (0, 1..) => {
                u64::try_from(u128::from(rows) * u128::from(self.bytes) / u128::from(bytes)).unwrap_or(rows).max(rows)
            }
            _ => rows,
        }
    }
}

/// Counts the bytes of the file itself, below gzip.
struct Counted {
    file: File,
    extent: Arc<Extent>,
}

impl std::io::Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.file.read(buffer)?;
        self.extent.bytes_read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Ends the reading in a record that does not end: an unclosed quote would make the rest of the file one field in memory.
struct Bounded<R> {
    text: R,
    /// Bytes read since the last record; the reader of records begins anew with each.
    since: Arc<AtomicU64>,
}

impl<R: std::io::Read> std::io::Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.since.load(Ordering::Relaxed) > RECORD_BYTES_MAX {
            return Err(std::io::Error::other("longer than 1 MiB: is a quote opened and never closed?"));
        }
        let count = self.text.read(buffer)?;
        self.since.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// Names the beginning of a file's content.
pub(super) fn fingerprint(path: &Path) -> anyhow::Result<String> {
    let mut start = Vec::new();
    let read = File::open(path).and_then(|file| file.take(1 << 16).read_to_end(&mut start));
    read.with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(hex::encode(&Sha256::digest(&start)[..8]))
}

impl<F: Form> Reader<F> {
    /// Opens a file and finds the columns.
    pub(super) fn open(path: &Path, delimiter: char, mut form: F) -> anyhow::Result<Self> {
        let shown = path.display();
        let extent = Arc::new(Extent {
            bytes: path.metadata().map_or(0, |found| found.len()),
            bytes_read: AtomicU64::new(0),
            rows_read: AtomicU64::new(0),
            ended: AtomicU64::new(0),
        });
        let text = decompressed(path, &extent).with_context(|| format!("{shown} cannot be read"))?;
        let delimiter = u8::try_from(delimiter).context("--delimiter must be an ASCII character")?;
        let since = Arc::new(AtomicU64::new(0));
        let text = Bounded { text, since: Arc::clone(&since) };
        let mut csv = ReaderBuilder::new().delimiter(delimiter).flexible(true).has_headers(false).from_reader(text);
        let mut header = ByteRecord::new();
        let found = csv.read_byte_record(&mut header).with_context(|| format!("{shown} cannot be read"))?;
        if !found {
            bail!("{shown} is empty: a header line is needed");
        }
        let header = Header(header);
        form.fit(&header).with_context(|| format!("{shown} does not fit"))?;
        Ok(Self { path: path.to_path_buf(), csv, since, header, form, rows: 0, extent })
    }

    /// The names of the columns.
    pub(super) fn header(&self) -> &ByteRecord {
        &self.header.0
    }

    /// The columns that are not sent: a name that was written otherwise is among them.
    pub(super) fn left_out(&self) -> Vec<String> {
        let names = self.header.names().enumerate();
        names.filter(|(place, _)| !self.form.takes(*place)).map(|(_, name)| name).collect()
    }

    /// How much has been read; goes on changing.
    pub(super) fn extent(&self) -> Arc<Extent> {
        Arc::clone(&self.extent)
    }

    /// The next row that is not empty; none at the end. An error ends the reading: the file itself is broken.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<Read>> {
        let mut fields = ByteRecord::new();
        self.since.store(0, Ordering::Relaxed);
        let found = self.csv.read_byte_record(&mut fields);
        let line = fields.position().map_or(0, csv::Position::line);
        let found = found.with_context(|| {
            format!("{} cannot be read further: row {}, line {line}", self.path.display(), self.rows + 1)
        })?;
        if !found {
            self.extent.ended.store(1, Ordering::Relaxed);
            return Ok(None);
        }
        self.rows += 1;
        self.extent.rows_read.store(self.rows, Ordering::Relaxed);
        let (row, fields) = (self.rows, Arc::new(fields));
        match self.row(row, line, &fields) {
            Ok(read) => Ok(Some(Read::Row(read))),
            Err((code, reason)) => Ok(Some(Read::Reject(Reject { row, line, code: code.to_owned(), reason, fields }))),
        }
    }

    fn row(&mut self, row: u64, line: u64, fields: &Arc<ByteRecord>) -> Result<Row, Wrong> {
        let (given, wanted) = (fields.len(), self.header.0.len());
        if given != wanted {
            return Err(("wrong_number_of_fields", format!("{given} fields instead of {wanted}")));
        }
        let (lane, body) = self.form.read(&self.header, row, fields)?;
        Ok(Row { row, lane, body, fields: Arc::clone(fields), line })
    }
}

impl Header {
    /// The names, in their order.
    pub(super) fn names(&self) -> impl Iterator<Item = String> {
        (0..self.0.len()).map(|place| self.name(place))
    }

    /// The name of a column.
    pub(super) fn name(&self, place: usize) -> String {
        column(&self.0, place)
    }

    /// The text of a field.
    pub(super) fn text(&self, fields: &ByteRecord, place: usize) -> Result<String, Wrong> {
        let bytes = fields.get(place).unwrap_or_default();
        let text = std::str::from_utf8(bytes).map_err(|_| {
            ("invalid_utf8", format!("{}: `{}` is not UTF-8", self.name(place), String::from_utf8_lossy(bytes)))
        })?;
        Ok(text.to_owned())
    }

    /// Why a field cannot be taken.
    pub(super) fn wrong<E: InvalidValue>(&self, place: usize, error: &E) -> Wrong {
        (error.code(), format!("{}: {error}", self.name(place)))
    }

    /// The place of the only column of this name; `flag` names it.
    pub(super) fn find(&self, name: &str, flag: &str) -> anyhow::Result<usize> {
        let mut places = (0..self.0.len()).filter(|place| self.name(*place) == name);
        let (place, second) = (places.next(), places.next());
        if second.is_some() {
            bail!("there is more than one column `{name}` ({flag}): rename all but the one that is meant");
        }
        place.with_context(|| format!("there is no column `{name}` ({flag}); {}", self.told()))
    }

    /// Which columns there are.
    pub(super) fn told(&self) -> String {
        let columns: Vec<_> = self.names().collect();
        let advice = match columns.as_slice() {
            [only] if only.contains([';', '\t', '|']) => "; is it the --delimiter?",
            _ => "",
        };
        format!("the columns are: {}{advice}", columns.join(", "))
    }
}

/// The name of a column, without the mark that some programs put in front of a file.
fn column(header: &ByteRecord, place: usize) -> String {
    let name = String::from_utf8_lossy(header.get(place).unwrap_or_default());
    name.trim_start_matches('\u{feff}').trim().to_owned()
}

fn decompressed(path: &Path, extent: &Arc<Extent>) -> anyhow::Result<Box<dyn std::io::Read + Send>> {
    let mut file = File::open(path)?;
    let mut start = [0; 2];
    let known = file.read(&mut start)?;
    file.rewind()?;
    let counted = BufReader::with_capacity(1 << 16, Counted { file, extent: Arc::clone(extent) });
    match &start[..known] {
        [0x1f, 0x8b] => Ok(Box::new(MultiGzDecoder::new(counted))),
        [0xff, 0xfe] | [0xfe, 0xff] => bail!("it is UTF-16: save it as UTF-8 first"),
        _ => Ok(Box::new(counted)),
    }
}
