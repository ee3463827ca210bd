//! `export customers` and `export ledger`: page after page of a list, as CSV or as lines of JSON.
//!
//! The pages follow a place in the log, so nobody is missed or told twice while the server goes on; a row is as it was when its page was
//! read. What the key may not see comes masked from the server.

use super::{Target, print};
use crate::client::{Answer, Client, ServerAddress, customer_id};
use crate::config::{CommonFlags, settings};
use crate::output::counted;
use anyhow::Context;
use csv::WriterBuilder;
use serde_json::Value;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use uuid::Uuid;

/// A page that fails is asked for again so often, with pauses.
const ATTEMPTS_MAX: u32 = 5;
const PAUSE: Duration = Duration::from_secs(1);

/// Which list.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// All customers, in the order of their registrations: those who are gone, too
    ///
    /// What tells who somebody is comes masked unless the key has customers:pii.
    Customers(Flags),
    /// Every movement of points with the balance that it left, in the order in which they happened
    Ledger {
        /// Only this customer's
        #[arg(long, value_name = "CUSTOMER", value_parser = customer_id)]
        customer: Option<Uuid>,
        #[command(flatten)]
        flags: Flags,
    },
}

/// How it is written, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Flags {
    /// For spreadsheets, or a line of JSON for each row
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    /// Write here, readable by its owner only [default: standard output]
    #[arg(long, short, visible_alias = "out", value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    server: ServerAddress,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Csv,
    Jsonl,
}

/// What stands in a column.
#[derive(Debug, Clone, Copy)]
enum Cell {
    /// A number, a date, a word of ours or an id: as it is.
    Plain(&'static str),
    /// What somebody else wrote.
    Text(&'static str),
    /// Several of these.
    Texts(&'static str),
    /// Members and their texts.
    Members(&'static str),
    /// Systems and their references.
    References(&'static str),
}

use Cell::{Members, Plain, References, Text, Texts};

const CUSTOMERS: &[Cell] = &[
    Plain("customer_id"),
    Plain("kind"),
    Plain("status"),
    Text("name"),
    Text("company"),
    Text("email"),
    // Begins with a plus and nothing else than digits follows.
    Plain("phone"),
    References("references"),
    Text("user_id"),
    Texts("other_user_ids"),
    Plain("birth_date"),
    Texts("tags"),
    Text("rep"),
    Text("route"),
    Plain("language"),
    Plain("currency"),
    Plain("time_zone"),
    Text("source"),
    Plain("referrer_id"),
    Plain("lifecycle"),
    Plain("lifecycle_since"),
    Plain("purchase_count"),
    Plain("first_purchase_on"),
    Plain("last_purchase_on"),
    Plain("registered_on"),
    Members("metadata"),
    Plain("version"),
    Plain("masked"),
];

const LEDGER: &[Cell] = &[
    Plain("position"),
    Plain("customer_id"),
    Plain("kind"),
    Plain("points"),
    Plain("held"),
    Plain("balance"),
    Plain("lot"),
    Text("order_id"),
    Text("refund_id"),
    Plain("hold_id"),
    Text("adjustment_id"),
    Plain("reason"),
    Plain("amount"),
    Plain("currency"),
    Plain("on"),
    Plain("occurred_at"),
    Plain("recorded_at"),
    Text("transfer_id"),
    Plain("other_customer_id"),
];

pub(super) async fn run(common: &CommonFlags, command: Command) -> anyhow::Result<ExitCode> {
    let (path, cells, flags) = match command {
        Command::Customers(flags) => ("/v1/customers?all=true&limit=200".to_owned(), CUSTOMERS, flags),
        Command::Ledger { customer, flags } => {
            let of = customer.map(|customer| format!("&customer={customer}")).unwrap_or_default();
            (format!("/v1/loyalty/ledger?limit=200{of}"), LEDGER, flags)
        }
    };
    let client = Client::new(&settings(common)?, &flags.server)?;
    // A place that cannot be written is found before anything is asked for.
    let mut target = flags.output.as_deref().map(Target::open).transpose()?;
    let (mut rows, mut cursor) = (0_u64, None);
    let mut text = head(cells, flags.format)?;
    loop {
        let page = page(&client, &path, cursor.as_deref()).await?.body;
        let items = page["items"].as_array().context("the server's answer cannot be understood: it has no items")?;
        text.extend(written(items, cells, flags.format)?);
        match &mut target {
            Some(target) => target.write(&text)?,
            None if !print(&text)? => return Ok(ExitCode::SUCCESS),
            None => {}
        }
        text.clear();
        rows += items.len() as u64;
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    if let Some(target) = target {
        target.end()?;
        eprintln!("{}", counted(rows, "row"));
    }
    Ok(ExitCode::SUCCESS)
}

async fn page(client: &Client, path: &str, cursor: Option<&str>) -> anyhow::Result<Answer> {
    let path = cursor.map_or_else(|| path.to_owned(), |cursor| format!("{path}&cursor={cursor}"));
    for _ in 1..ATTEMPTS_MAX {
        match client.get(&path).await {
            Err(error) if error.may_pass() => tokio::time::sleep(error.retry_after().unwrap_or(PAUSE)).await,
            answer => return Ok(answer?),
        }
    }
    Ok(client.get(&path).await?)
}

/// The line that names the columns.
fn head(cells: &[Cell], format: Format) -> anyhow::Result<Vec<u8>> {
    match format {
        Format::Csv => lines([cells.iter().map(|cell| cell.name().to_owned()).collect()]),
        Format::Jsonl => Ok(Vec::new()),
    }
}

fn written(items: &[Value], cells: &[Cell], format: Format) -> anyhow::Result<Vec<u8>> {
    match format {
        Format::Csv => lines(items.iter().map(|item| cells.iter().map(|cell| cell.of(item)).collect())),
        Format::Jsonl => Ok(items.iter().flat_map(|item| format!("{item}\n").into_bytes()).collect()),
    }
}

fn lines(rows: impl IntoIterator<Item = Vec<String>>) -> anyhow::Result<Vec<u8>> {
    let mut writer = WriterBuilder::new().from_writer(Vec::new());
    for row in rows {
        writer.write_record(row)?;
    }
    Ok(writer.into_inner()?)
}

impl Cell {
    const fn name(self) -> &'static str {
        match self {
            Plain(name) | Text(name) | Texts(name) | Members(name) | References(name) => name,
        }
    }

    fn of(self, item: &Value) -> String {
        let value = &item[self.name()];
        let items = || value.as_array().into_iter().flatten();
        match self {
            Plain(_) => plain(value),
            Text(_) => guarded(plain(value)),
            Texts(_) => guarded(items().map(plain).collect::<Vec<_>>().join(";")),
            Members(_) => {
                let members = value.as_object().into_iter().flatten();
                guarded(members.map(|(name, text)| format!("{name}={}", plain(text))).collect::<Vec<_>>().join(";"))
            }
            References(_) => {
                let told = |item: &Value| format!("{}:{}", plain(&item["system"]), plain(&item["reference"]));
                guarded(items().map(told).collect::<Vec<_>>().join(";"))
            }
        }
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// A spreadsheet would calculate what begins so: the apostrophe makes a text of it.
fn guarded(text: String) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::{CUSTOMERS, Cell, Format, LEDGER, guarded, head, written};
    use serde_json::json;

    #[test]
    fn what_a_spreadsheet_would_calculate_is_a_text() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(guarded(text.to_owned()), format!("'{text}"));
        }
        for text in ["", "Ana", "1-1", "a=b", " =1"] {
            assert_eq!(guarded(text.to_owned()), text);
        }
    }

    #[test]
    fn a_row_has_a_field_for_each_column_and_numbers_are_as_they_are() {
        let cells = [
            Cell::Plain("points"),
            Cell::Text("name"),
            Cell::Texts("tags"),
            Cell::References("references"),
            Cell::Members("metadata"),
        ];
        let items = [
            json!({"points": -5, "name": "=HYPERLINK(\"x\")", "tags": ["a", "b"], "references": [{"system": "erp", "reference": "7"}]}),
            json!({"points": 0, "name": null, "metadata": {"a": "1", "b": "two, three"}}),
        ];
        let text = written(&items, &cells, Format::Csv).unwrap();
        let expected = "-5,\"'=HYPERLINK(\"\"x\"\")\",a;b,erp:7,\n0,,,,\"a=1;b=two, three\"\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
        let names = String::from_utf8(head(&cells, Format::Csv).unwrap()).unwrap();
        assert_eq!(names, "points,name,tags,references,metadata\n");
        assert_eq!(written(&items, &cells, Format::Jsonl).unwrap().iter().filter(|byte| **byte == b'\n').count(), 2);
    }

    #[test]
    fn no_column_is_named_twice() {
        for cells in [CUSTOMERS, LEDGER] {
            let mut names: Vec<_> = cells.iter().map(|cell| cell.name()).collect();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), cells.len());
        }
    }
}
