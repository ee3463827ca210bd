//! `import customers`: what the rows of its files are. Values are read by the server, which says of each row what is wrong with it.

use super::rows::{self, Header, Wrong};
use super::{Goal, Running};
use anyhow::{Context, bail};
use csv::ByteRecord;
use domain::Currency;
use domain::country::Country;
use serde_json::{Map, Value, json};

/// The columns that are known.
const COLUMNS: [&str; 16] = [
    "reference",
    "kind",
    "name",
    "company",
    "email",
    "phone",
    "document",
    "document_kind",
    "document_country",
    "birth_date",
    "language",
    "currency",
    "tags",
    "rep",
    "route",
    "registered_on",
];
/// By one of these a row is known.
const NAMING: [&str; 4] = ["reference", "email", "phone", "document"];

/// What `import customers` takes.
#[derive(Debug, clap::Args)]
pub(crate) struct Customers {
    #[command(flatten)]
    pub(super) running: Running,
    /// A column that is called otherwise, such as email="E-mail address"
    #[arg(long = "column", value_name = "NAME=COLUMN", value_parser = renamed)]
    columns: Vec<(String, String)>,
    /// Where telephone numbers are that are written without a country code, such as ES
    #[arg(long, value_parser = Country::parse)]
    country: Option<Country>,
    /// Make all members of the loyalty programme, earning in this currency
    #[arg(long, value_name = "CURRENCY", value_parser = Currency::parse)]
    enrol_in: Option<Currency>,
}

fn renamed(text: &str) -> anyhow::Result<(String, String)> {
    let (name, column) = text.split_once('=').context("must be NAME=COLUMN")?;
    if !COLUMNS.contains(&name) {
        bail!("`{name}` is none of {}", COLUMNS.join(", "));
    }
    Ok((name.to_owned(), column.to_owned()))
}

impl Customers {
    /// Where its rows go.
    pub(super) fn goal(&self) -> Goal {
        let Self { running: Running { system, source, .. }, columns, country, enrol_in } = self;
        let envelope =
            json!({"system": system, "source": source, "country": country, "enrol_in": enrol_in, "rows": []});
        Goal { path: "/v1/imports/customers", rows: "customers", envelope, mapping: format!("{columns:?}") }
    }

    /// What its rows are.
    pub(super) fn form(&self) -> Form {
        Form { columns: self.columns.clone(), places: Vec::new() }
    }
}

/// What a row is.
pub(super) struct Form {
    columns: Vec<(String, String)>,
    /// Where the fields are that there are.
    places: Vec<(&'static str, usize)>,
}

impl rows::Form for Form {
    fn fit(&mut self, header: &Header) -> anyhow::Result<()> {
        for name in COLUMNS {
            let renamed = self.columns.iter().find(|(known, _)| known == name);
            let place = match renamed {
                Some((_, column)) => Some(header.find(column, "--column")?),
                None => only(header, name)?,
            };
            self.places.extend(place.map(|place| (name, place)));
        }
        if !NAMING.iter().any(|name| self.places.iter().any(|(known, _)| known == name)) {
            bail!("a column is needed that says who it is, one of {}; {}", NAMING.join(", "), header.told());
        }
        Ok(())
    }

    fn takes(&self, place: usize) -> bool {
        self.places.iter().any(|(_, taken)| *taken == place)
    }

    fn read(&mut self, header: &Header, row: u64, fields: &ByteRecord) -> Result<(String, Value), Wrong> {
        let mut told = Map::new();
        for (name, place) in &self.places {
            let text = header.text(fields, *place)?.trim().to_owned();
            if !text.is_empty() {
                told.insert((*name).to_owned(), text.into());
            }
        }
        // All rows go one after the other: of two that say the same of themselves, the first of the file counts, each time.
        Ok((String::new(), body(row, told)))
    }
}

/// The place of the only column that is called so, whatever its capitals, spaces and hyphens: `E-mail` is `email`.
fn only(header: &Header, name: &str) -> anyhow::Result<Option<usize>> {
    let called = |column: &str| column.to_lowercase().replace([' ', '-', '_'], "");
    let mut places = header.names().enumerate().filter(|(_, column)| called(column) == called(name));
    let (place, second) = (places.next(), places.next());
    if second.is_some() {
        bail!(
            "there is more than one column `{name}`: rename all but the one that is meant, or say which with --column"
        );
    }
    Ok(place.map(|(place, _)| place))
}

/// What is sent of a row.
fn body(row: u64, mut told: Map<String, Value>) -> Value {
    let number = told.remove("document");
    let (kind, country) = (told.remove("document_kind"), told.remove("document_country"));
    if let Some(number) = number {
        let usual = || usual_kind(country.as_ref()).into();
        let mut document = json!({"kind": kind.unwrap_or_else(usual), "number": number});
        if let Some(country) = country {
            document["country"] = country;
        }
        told.insert("document".to_owned(), document);
    }
    if let Some(Value::String(tags)) = told.remove("tags") {
        let tags = tags.split(';').map(str::trim).filter(|tag| !tag.is_empty());
        told.insert("tags".to_owned(), tags.map(str::to_owned).collect());
    }
    told.insert("row".to_owned(), row.into());
    Value::Object(told)
}

/// What a document is of which only the country is told: Spain's have kinds of their own, and a `nif` is any of them.
fn usual_kind(country: Option<&Value>) -> &'static str {
    let country = country.and_then(Value::as_str).unwrap_or_default();
    if country.eq_ignore_ascii_case("ES") { "nif" } else { "national_id" }
}

#[cfg(test)]
mod tests {
    use super::super::rows::{Read, Reader};
    use super::{Form, renamed};
    use serde_json::{Value, json};
    use std::io::Write;

    fn open(content: &str, columns: &[(&str, &str)]) -> anyhow::Result<Reader<Form>> {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content.as_bytes()).unwrap();
        let columns = columns.iter().map(|(name, column)| ((*name).to_owned(), (*column).to_owned())).collect();
        Reader::open(file.path(), ',', Form { columns, places: Vec::new() })
    }

    fn read(content: &str, columns: &[(&str, &str)]) -> Vec<Value> {
        let mut reader = open(content, columns).unwrap();
        let mut bodies = Vec::new();
        while let Some(Read::Row(row)) = reader.next().unwrap() {
            bodies.push(row.body);
        }
        bodies
    }

    #[test]
    fn columns_are_found_as_people_name_them_and_empty_fields_are_none() {
        let file = "Reference,E-mail address,NAME,Tags,Registered on,shoe size\n4711,ana@example.com,Ana, vip ; b2b;,2020-01-31,42\n,eva@example.com,,,,\n";
        assert_eq!(
            read(file, &[("email", "E-mail address")]),
            [
                json!({"row": 1, "reference": "4711", "email": "ana@example.com", "name": "Ana", "tags": ["vip", "b2b"], "registered_on": "2020-01-31"}),
                json!({"row": 2, "email": "eva@example.com"}),
            ]
        );
    }

    #[test]
    fn a_hyphen_makes_no_difference_and_columns_that_are_not_taken_are_told() {
        let file = "E-mail,Document-Kind,document,shoe size,Phone 2\nana@example.com,dni,12345678Z,42,\n";
        assert_eq!(
            read(file, &[]),
            [json!({"row": 1, "email": "ana@example.com", "document": {"kind": "dni", "number": "12345678Z"}})]
        );
        assert_eq!(open(file, &[]).unwrap().left_out(), ["shoe size", "Phone 2"]);
        assert_eq!(open(file, &[("phone", "Phone 2")]).unwrap().left_out(), ["shoe size"]);
    }

    #[test]
    fn a_document_is_one_thing_of_three_columns() {
        let file = "document,document_kind,document-country\n12345678Z,dni,\nXDD1,passport,MX\nX1,,\n,dni,ES\nX1,,FR\n12345678Z,,es\n";
        let documents: Vec<_> = read(file, &[]).into_iter().map(|body| body["document"].clone()).collect();
        assert_eq!(
            documents,
            [
                json!({"kind": "dni", "number": "12345678Z"}),
                json!({"kind": "passport", "number": "XDD1", "country": "MX"}),
                json!({"kind": "national_id", "number": "X1"}),
                Value::Null,
                json!({"kind": "national_id", "number": "X1", "country": "FR"}),
                json!({"kind": "nif", "number": "12345678Z", "country": "es"}),
            ]
        );
    }

    #[test]
    fn a_file_in_which_nobody_is_named_does_not_fit() {
        let told = |content: &str| format!("{:#}", open(content, &[]).err().unwrap());
        assert!(told("name,company\nAna,\n").ends_with(
            "a column is needed that says who it is, one of reference, email, phone, document; the columns are: name, company"
        ));
        assert!(told("email,E Mail,email\n").contains("more than one column `email`"));
        assert!(told("reference;email\n").ends_with("is it the --delimiter?"));
        assert!(renamed("mail=Mail").is_err() && renamed("email").is_err() && renamed("email=Mail").is_ok());
    }
}
