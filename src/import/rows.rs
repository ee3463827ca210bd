//! From bytes to rows: gzip by content, CSV, fields mapped by their columns' names, each row named for ever.
//!
//! A row without an order id is named by the hash of all its fields and its place among equal rows of the file. To know that
//! place the reader counts equal rows: some 20 bytes of memory for each different row of the file (200 MB for 10 million).
//! Files with order ids need none of it.

use anyhow::{Context, bail};
use chrono::{NaiveDate, NaiveDateTime};
use csv::{ByteRecord, ReaderBuilder};
use domain::ids::OrderId;
use domain::text::ReferenceText;
use domain::{Currency, InvalidValue, Money};
use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Read as _, Seek};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A longer record is none.
const RECORD_BYTES_MAX: u64 = 1 << 20;

/// Which columns mean what.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Mapping {
    /// Column with the customer, as the system that the file comes from names them
    #[arg(long, default_value = "customer_id", value_name = "COLUMN")]
    pub(super) customer_column: String,
    /// Column with the date of the purchase
    #[arg(long, default_value = "date", value_name = "COLUMN")]
    pub(super) date_column: String,
    /// Column with what was paid
    #[arg(long, default_value = "value", value_name = "COLUMN")]
    pub(super) total_column: String,
    /// Column with the order id; without it a row is known by its content
    #[arg(long, value_name = "COLUMN")]
    pub(super) order_column: Option<String>,
    /// How dates are written, in the manner of strftime; a time of day after the date may be part of it
    #[arg(long, default_value = "%Y-%m-%d", value_name = "FORMAT")]
    pub(super) date_format: String,
    /// What stands between two fields
    #[arg(long, default_value = ",", value_name = "CHARACTER")]
    pub(super) delimiter: char,
}

/// A row that can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// Its number, from 1; the header does not count.
    pub(super) row: u64,
    pub(super) customer: String,
    pub(super) key: String,
    pub(super) order: Option<String>,
    pub(super) total: String,
    pub(super) on: NaiveDate,
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

/// What was read.
#[derive(Debug)]
pub(super) enum Read {
    Row(Row),
    Reject(Reject),
}

/// Reads a file once, from its beginning.
pub(super) struct Reader {
    path: PathBuf,
    csv: csv::Reader<Bounded<Box<dyn std::io::Read + Send>>>,
    since: Arc<AtomicU64>,
    header: ByteRecord,
    places: Places,
    mapping: Mapping,
    currency: Currency,
    equal_rows: HashMap<u64, u32>,
    rows: u64,
    extent: Arc<Extent>,
}

/// Where the fields are.
struct Places {
    customer: usize,
    date: usize,
    total: usize,
    order: Option<usize>,
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

impl Reader {
    /// Opens a file and finds the columns.
    pub(super) fn open(path: &Path, mapping: Mapping, currency: Currency) -> anyhow::Result<Self> {
        let shown = path.display();
        let extent = Arc::new(Extent {
            bytes: path.metadata().map_or(0, |found| found.len()),
            bytes_read: AtomicU64::new(0),
            rows_read: AtomicU64::new(0),
            ended: AtomicU64::new(0),
        });
        let text = decompressed(path, &extent).with_context(|| format!("{shown} cannot be read"))?;
        let delimiter = u8::try_from(mapping.delimiter).context("--delimiter must be an ASCII character")?;
        let since = Arc::new(AtomicU64::new(0));
        let text = Bounded { text, since: Arc::clone(&since) };
        let mut csv = ReaderBuilder::new().delimiter(delimiter).flexible(true).has_headers(false).from_reader(text);
        let mut header = ByteRecord::new();
        let found = csv.read_byte_record(&mut header).with_context(|| format!("{shown} cannot be read"))?;
        if !found {
            bail!("{shown} is empty: a header line is needed");
        }
        let places = Places::find(&header, &mapping).with_context(|| format!("{shown} does not fit"))?;
        let path = path.to_path_buf();
        Ok(Self { path, csv, since, header, places, mapping, currency, equal_rows: HashMap::new(), rows: 0, extent })
    }

    /// The names of the columns.
    pub(super) fn header(&self) -> &ByteRecord {
        &self.header
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

    fn row(&mut self, row: u64, line: u64, fields: &Arc<ByteRecord>) -> Result<Row, (&'static str, String)> {
        let (given, wanted) = (fields.len(), self.header.len());
        if given != wanted {
            return Err(("wrong_number_of_fields", format!("{given} fields instead of {wanted}")));
        }
        let customer = self.text(fields, self.places.customer)?;
        ReferenceText::parse(&customer).map_err(|error| self.wrong(self.places.customer, &error))?;
        let date = self.text(fields, self.places.date)?;
        let on = self.date(date.trim()).ok_or_else(|| {
            let reason = format!(
                "{}: `{}` is no date of the form {}",
                self.name(self.places.date),
                shown(&date),
                self.mapping.date_format
            );
            ("invalid_date", reason)
        })?;
        let total = self.text(fields, self.places.total)?.trim().to_owned();
        Money::parse(&total, self.currency).map_err(|error| self.wrong(self.places.total, &error))?;
        let order = match self.places.order {
            Some(place) => Some(self.text(fields, place)?).filter(|order| !order.is_empty()),
            None => None,
        };
        if let (Some(order), Some(place)) = (&order, self.places.order) {
            OrderId::parse(order).map_err(|error| self.wrong(place, &error))?;
        }
        let key = order.clone().unwrap_or_else(|| self.name_of_content(fields));
        Ok(Row { row, customer, key, order, total, on, fields: Arc::clone(fields), line })
    }

    fn text(&self, fields: &ByteRecord, place: usize) -> Result<String, (&'static str, String)> {
        let bytes = fields.get(place).unwrap_or_default();
        let text = std::str::from_utf8(bytes).map_err(|_| {
            ("invalid_utf8", format!("{}: `{}` is not UTF-8", self.name(place), String::from_utf8_lossy(bytes)))
        })?;
        Ok(text.to_owned())
    }

    fn wrong<E: InvalidValue>(&self, place: usize, error: &E) -> (&'static str, String) {
        (error.code(), format!("{}: {error}", self.name(place)))
    }

    fn name(&self, place: usize) -> String {
        column(&self.header, place)
    }

    fn date(&self, text: &str) -> Option<NaiveDate> {
        let format = &self.mapping.date_format;
        let moment = || NaiveDateTime::parse_from_str(text, format).ok().map(|moment| moment.date());
        NaiveDate::parse_from_str(text, format).ok().or_else(moment)
    }

    /// The same each time the file is read, also when other rows were mended or added behind it.
    fn name_of_content(&mut self, fields: &ByteRecord) -> String {
        let mut hasher = Sha256::new();
        for field in fields {
            hasher.update((field.len() as u64).to_be_bytes());
            hasher.update(field);
        }
        let digest = hasher.finalize();
        let short = digest[..8].iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        let ordinal = self.equal_rows.entry(short).or_default();
        *ordinal += 1;
        format!("row:{}:{ordinal}", hex::encode(&digest[..16]))
    }
}

impl Places {
    fn find(header: &ByteRecord, mapping: &Mapping) -> anyhow::Result<Self> {
        let find = |name: &str, flag: &str| {
            let mut places = (0..header.len()).filter(|place| column(header, *place) == name);
            let (place, second) = (places.next(), places.next());
            if second.is_some() {
                bail!("there is more than one column `{name}` ({flag}): rename all but the one that is meant");
            }
            place.with_context(|| {
                let columns: Vec<_> = (0..header.len()).map(|place| column(header, place)).collect();
                let advice = match columns.as_slice() {
                    [only] if only.contains([';', '\t', '|']) => "; is it the --delimiter?",
                    _ => "",
                };
                format!("there is no column `{name}` ({flag}); the columns are: {}{advice}", columns.join(", "))
            })
        };
        Ok(Self {
            customer: find(&mapping.customer_column, "--customer-column")?,
            date: find(&mapping.date_column, "--date-column")?,
            total: find(&mapping.total_column, "--total-column")?,
            order: mapping.order_column.as_deref().map(|name| find(name, "--order-column")).transpose()?,
        })
    }
}

/// The name of a column, without the mark that some programs put in front of a file.
fn column(header: &ByteRecord, place: usize) -> String {
    let name = String::from_utf8_lossy(header.get(place).unwrap_or_default());
    name.trim_start_matches('\u{feff}').trim().to_owned()
}

/// Enough of a text to recognise it.
fn shown(text: &str) -> String {
    text.chars().take(40).collect()
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

#[cfg(test)]
mod tests {
    use super::{Mapping, Read, Reader};
    use domain::Currency;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn mapping() -> Mapping {
        Mapping {
            customer_column: "customer_id".to_owned(),
            date_column: "date".to_owned(),
            total_column: "value".to_owned(),
            order_column: None,
            date_format: "%Y-%m-%d".to_owned(),
            delimiter: ',',
        }
    }

    fn open(content: &[u8], mapping: Mapping) -> anyhow::Result<Reader> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        Reader::open(file.path(), mapping, Currency::parse("USD").unwrap())
    }

    /// One line for each row: what names it, or why it is rejected.
    fn read(content: &[u8]) -> Vec<String> {
        let mut reader = open(content, mapping()).unwrap();
        let mut lines = Vec::new();
        while let Some(read) = reader.next().unwrap() {
            lines.push(match read {
                Read::Row(row) => format!("{} {} {} {}", row.row, row.customer, row.on, row.total),
                Read::Reject(reject) => {
                    format!("{} line {}: {}: {}", reject.row, reject.line, reject.code, reject.reason)
                }
            });
        }
        lines
    }

    fn keys(content: &[u8]) -> Vec<String> {
        let mut reader = open(content, mapping()).unwrap();
        let mut keys = Vec::new();
        while let Some(Read::Row(row)) = reader.next().unwrap() {
            keys.push(row.key);
        }
        keys
    }

    #[test]
    fn rows_are_read_and_broken_ones_named() {
        let file = b"customer_id,date,cds,value\n1,1997-01-01,1,11.77\n2,1997-02-30,1,5.00\n3,1997-01-01,1,5.001\n\
            4,1997-01-01,1,five\n5,1997-01-01,5.00\n\xe9,1997-01-01,1,5.00\n,1997-01-01,1,5.00\n\n8,1997-01-01,\"a\nb\",0.00\n";
        insta::assert_snapshot!(read(file).join("\n"), @r"
        1 1 1997-01-01 11.77
        2 line 3: invalid_date: date: `1997-02-30` is no date of the form %Y-%m-%d
        3 line 4: too_many_decimals: value: USD has 2 decimals
        4 line 5: not_a_decimal: value: must be a decimal number such as 12.34
        5 line 6: wrong_number_of_fields: 3 fields instead of 4
        6 line 7: invalid_utf8: customer_id: `�` is not UTF-8
        7 line 8: empty: customer_id: must not be empty
        8 8 1997-01-01 0.00
        ");
    }

    #[test]
    fn gzip_is_recognised_by_its_content() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(b"customer_id,date,value\n1,1997-01-01,11.77\n").unwrap();
        assert_eq!(read(&gzip.finish().unwrap()), ["1 1 1997-01-01 11.77"]);
    }

    #[test]
    fn equal_rows_are_told_apart_by_their_order_and_keep_their_names() {
        let one = b"customer_id,date,value\n1,1997-01-01,5.00\n1,1997-01-01,5.00\n2,1997-01-01,5.00\n";
        let more = b"customer_id,date,value\n7,broken,5.00\n1,1997-01-01,5.00\n2,1997-01-01,5.00\n1,1997-01-01,5.00\n";
        let (one, more) = (keys(one), {
            let mut reader = open(more, mapping()).unwrap();
            let mut keys = Vec::new();
            while let Some(read) = reader.next().unwrap() {
                if let Read::Row(row) = read {
                    keys.push(row.key);
                }
            }
            keys
        });
        assert_ne!(one[0], one[1]);
        assert_eq!((&one[0], &one[2], &one[1]), (&more[0], &more[1], &more[2]));
    }

    #[test]
    fn a_missing_column_is_named_beside_those_that_are_there() {
        let error = open(b"customer;date;value\n", mapping()).err().unwrap();
        assert!(format!("{error:#}").ends_with(
            "there is no column `customer_id` (--customer-column); the columns are: customer;date;value; is it the --delimiter?"
        ));
    }

    #[test]
    fn a_column_that_is_there_twice_is_refused() {
        let error = open(b"customer_id,date,value,value\n", mapping()).err().unwrap();
        assert!(
            format!("{error:#}").ends_with(
                "there is more than one column `value` (--total-column): rename all but the one that is meant"
            )
        );
    }

    #[test]
    fn an_unclosed_quote_ends_the_reading_and_is_named() {
        let start = b"customer_id,date,value\n1,1997-01-01,5.00\n2,1997-01-01,\"5.00\n".as_slice();
        let file = [start, &b"3,1997-01-01,5.00\n".repeat(100_000)].concat();
        let mut reader = open(&file, mapping()).unwrap();
        assert!(matches!(reader.next(), Ok(Some(Read::Row(_)))));
        let error = reader.next().err().unwrap();
        let line = "cannot be read further: row 2, line 3: longer than 1 MiB: is a quote opened and never closed?";
        assert!(format!("{error:#}").ends_with(line), "{error:#}");
    }

    #[test]
    fn dates_may_be_written_otherwise_and_have_a_time() {
        let mapping = Mapping { date_format: "%m/%d/%Y %H:%M".to_owned(), delimiter: ';', ..mapping() };
        let mut reader = open(b"\xef\xbb\xbfcustomer_id;date;value\n1;12/1/2010 8:26;15.30\n", mapping).unwrap();
        let Some(Read::Row(row)) = reader.next().unwrap() else { panic!("the row is good") };
        assert_eq!(row.on.to_string(), "2010-12-01");
    }

    #[test]
    fn a_file_that_breaks_off_is_an_error_that_names_the_row() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(b"customer_id,date,value\n1,1997-01-01,11.77\n").unwrap();
        let whole = gzip.finish().unwrap();
        let broken = &whole[..whole.len() - 6];
        let outcome = open(broken, mapping()).and_then(|mut reader| {
            while reader.next()?.is_some() {}
            Ok(())
        });
        assert!(outcome.is_err());
    }
}
