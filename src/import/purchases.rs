//! `import purchases`: what the rows of its files are, each named for ever.
//!
//! A row without an order id is named by the hash of all its fields and its place among equal rows of the file. To know that
//! place the reader counts equal rows: some 20 bytes of memory for each different row of the file (200 MB for 10 million).
//! Files with order ids need none of it.

use super::rows::{self, Header, Wrong};
use super::{Goal, Running};
use chrono::{NaiveDate, NaiveDateTime};
use csv::ByteRecord;
use domain::ids::{Channel, OrderId};
use domain::text::ReferenceText;
use domain::{Currency, Money};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;

/// What `import purchases` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Purchases {
    #[command(flatten)]
    pub(super) running: Running,
    /// The day on which the import happens, such as 1998-06-30: what has expired by then has expired [default: now]
    #[arg(long, value_name = "DATE")]
    now: Option<NaiveDate>,
    #[command(flatten)]
    mapping: Mapping,
    /// Currency of the totals, by its code of ISO 4217
    #[arg(long, default_value = "USD", value_parser = Currency::parse)]
    currency: Currency,
    /// Where the purchases were made, such as web or store-12
    #[arg(long, value_parser = Channel::parse)]
    channel: Option<Channel>,
}

/// Which columns mean what.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Mapping {
    /// Column with the customer, as the system that the file comes from names them
    #[arg(long, default_value = "customer_id", value_name = "COLUMN")]
    customer_column: String,
    /// Column with the date of the purchase
    #[arg(long, default_value = "date", value_name = "COLUMN")]
    date_column: String,
    /// Column with what was paid
    #[arg(long, default_value = "value", value_name = "COLUMN")]
    total_column: String,
    /// Column with the order id; without it a row is known by its content
    #[arg(long, value_name = "COLUMN")]
    order_column: Option<String>,
    /// How dates are written, in the manner of strftime; a time of day after the date may be part of it
    #[arg(long, default_value = "%Y-%m-%d", value_name = "FORMAT")]
    date_format: String,
}

impl Purchases {
    /// Where its rows go.
    pub(super) fn goal(&self) -> Goal {
        let Self { running: Running { system, source, .. }, now, mapping, currency, channel } = self;
        let envelope = json!({
            "now": now, "system": system, "currency": currency, "source": source, "channel": channel, "rows": [],
        });
        Goal { path: "/v1/imports/purchases", rows: "purchases", envelope, mapping: format!("{mapping:?}") }
    }

    /// What its rows are.
    pub(super) fn form(&self) -> Form {
        Form::new(self.mapping.clone(), self.currency)
    }
}

/// What a row is.
pub(super) struct Form {
    mapping: Mapping,
    currency: Currency,
    places: Places,
    equal_rows: HashMap<u64, u32>,
}

/// Where the fields are.
#[derive(Default)]
struct Places {
    customer: usize,
    date: usize,
    total: usize,
    order: Option<usize>,
}

impl rows::Form for Form {
    fn fit(&mut self, header: &Header) -> anyhow::Result<()> {
        let order = self.mapping.order_column.as_deref();
        self.places = Places {
            customer: header.find(&self.mapping.customer_column, "--customer-column")?,
            date: header.find(&self.mapping.date_column, "--date-column")?,
            total: header.find(&self.mapping.total_column, "--total-column")?,
            order: order.map(|name| header.find(name, "--order-column")).transpose()?,
        };
        Ok(())
    }

    fn takes(&self, place: usize) -> bool {
        let Places { customer, date, total, order } = self.places;
        [Some(customer), Some(date), Some(total), order].contains(&Some(place))
    }

    fn read(&mut self, header: &Header, row: u64, fields: &ByteRecord) -> Result<(String, Value), Wrong> {
        let customer = header.text(fields, self.places.customer)?;
        ReferenceText::parse(&customer).map_err(|error| header.wrong(self.places.customer, &error))?;
        let on = self.date(header, fields)?;
        let total = header.text(fields, self.places.total)?.trim().to_owned();
        Money::parse(&total, self.currency).map_err(|error| header.wrong(self.places.total, &error))?;
        let order = match self.places.order {
            Some(place) => Some(header.text(fields, place)?).filter(|order| !order.is_empty()),
            None => None,
        };
        if let (Some(order), Some(place)) = (&order, self.places.order) {
            OrderId::parse(order).map_err(|error| header.wrong(place, &error))?;
        }
        let key = order.clone().unwrap_or_else(|| self.name_of_content(fields));
        let body = json!({"row": row, "customer": customer, "key": key, "order_id": order, "total": total, "on": on});
        Ok((customer, body))
    }
}

impl Form {
    fn new(mapping: Mapping, currency: Currency) -> Self {
        Self { mapping, currency, places: Places::default(), equal_rows: HashMap::new() }
    }

    fn date(&self, header: &Header, fields: &ByteRecord) -> Result<NaiveDate, Wrong> {
        let (text, format) = (header.text(fields, self.places.date)?, &self.mapping.date_format);
        let moment = || NaiveDateTime::parse_from_str(text.trim(), format).ok().map(|moment| moment.date());
        NaiveDate::parse_from_str(text.trim(), format).ok().or_else(moment).ok_or_else(|| {
            let (name, shown) = (header.name(self.places.date), shown(&text));
            ("invalid_date", format!("{name}: `{shown}` is no date of the form {format}"))
        })
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

/// Enough of a text to recognise it.
fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::super::rows::{Read, Reader, Row};
    use super::{Form, Mapping};
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
        }
    }

    fn open(content: &[u8], mapping: Mapping) -> anyhow::Result<Reader<Form>> {
        open_delimited(content, ',', mapping)
    }

    fn open_delimited(content: &[u8], delimiter: char, mapping: Mapping) -> anyhow::Result<Reader<Form>> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        Reader::open(file.path(), delimiter, Form::new(mapping, Currency::parse("USD").unwrap()))
    }

    fn told(row: &Row, field: &str) -> String {
        row.body[field].as_str().unwrap_or_default().to_owned()
    }

    /// One line for each row: what names it, or why it is rejected.
    fn read(content: &[u8]) -> Vec<String> {
        let mut reader = open(content, mapping()).unwrap();
        let mut lines = Vec::new();
        while let Some(read) = reader.next().unwrap() {
            lines.push(match read {
                Read::Row(row) => {
                    format!("{} {} {} {}", row.row, told(&row, "customer"), told(&row, "on"), told(&row, "total"))
                }
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
            keys.push(told(&row, "key"));
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
                    keys.push(told(&row, "key"));
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
        let mapping = Mapping { date_format: "%m/%d/%Y %H:%M".to_owned(), ..mapping() };
        let file = b"\xef\xbb\xbfcustomer_id;date;value\n1;12/1/2010 8:26;15.30\n";
        let mut reader = open_delimited(file, ';', mapping).unwrap();
        let Some(Read::Row(row)) = reader.next().unwrap() else { panic!("the row is good") };
        assert_eq!(told(&row, "on"), "2010-12-01");
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
