//! `clientela import`: a CSV file of purchases or customers, row by row, into a running server.
//!
//! The file is read as a stream. Each row goes to one of several lanes by its customer ([`lanes`]), so a customer's rows stay
//! in the order of the file; a lane sends its rows in batches, one after the other. What names a purchase is its order id or its
//! content ([`purchases`]), what names a customer is its reference or a contact ([`customers`]), so a row that is sent again is
//! recognised by the server: an import that was interrupted anywhere is simply started again. A note of how far it came
//! ([`progress_file`]) only saves time. Customers all go to one lane: two rows may claim the same contact, and the first of the
//! file has it, each time.

mod customers;
mod lanes;
mod progress_file;
mod purchases;
mod rejects;
mod rows;
mod tally;

use crate::client::{CallError, Client, ServerAddress};
use crate::config::{CommonFlags, settings};
use crate::output::{ROWS_REJECTED, counted, print_json, rate, say, thousands, well_or};
use crate::progress::Progress;
use anyhow::{Context, bail};
use customers::Customers;
use domain::ids::{ExternalSystem, Source};
use lanes::{Lanes, Sending};
use progress_file::ProgressFile;
use purchases::Purchases;
use rejects::Rejects;
use rows::{Form, Read, Reader};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use tally::{Tally, Verdict, Warned};

/// What can be imported.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Import purchases from a CSV file with a header line, gzipped or not
    ///
    /// Customers that are not known are registered by their reference and enrolled in loyalty. Importing a file again
    /// changes nothing. Rows that cannot be taken go to the rejects file, and the rest goes on.
    Purchases(Box<Purchases>),
    /// Import customers from a CSV file with a header line, gzipped or not
    ///
    /// Columns, in any order, each of which may be missing: reference (what the other system calls the customer), kind (individual or
    /// business), name, company, email, phone, document, document_kind, document_country, birth_date, language, currency, tags (several with ; between
    /// them), rep, route, registered_on. Capitals, spaces and hyphens make no difference: "Registered on" is registered_on. Other columns are
    /// left out and named; --column NAME=COLUMN names one that is called otherwise.
    ///
    /// A row is known by its reference; one without by its e-mail, else its phone, else its document. Who is known stays as it is, so
    /// importing a file again changes nothing. Rows are taken in the order of the file, one batch after the other, whatever --lanes says. Rows
    /// that cannot be taken (an e-mail that is another customer's, for one) go to the rejects file with the reason, and the rest goes on.
    #[command(verbatim_doc_comment)]
    Customers(Box<Customers>),
}

/// What all imports take.
#[derive(Debug, clap::Args)]
pub(crate) struct Running {
    /// The file
    file: PathBuf,
    #[command(flatten)]
    server: ServerAddress,
    /// What stands between two fields
    #[arg(long, default_value = ",", value_name = "CHARACTER")]
    delimiter: char,
    /// The system that the customers' references come from
    #[arg(long, default_value = "import", value_parser = ExternalSystem::parse)]
    system: ExternalSystem,
    /// Where new customers came from
    #[arg(long, default_value = "import", value_parser = Source::parse)]
    source: Source,
    /// Where rejected rows go [default: the file's name with .rejects.csv, in the current folder]
    #[arg(long, value_name = "FILE")]
    rejects: Option<PathBuf>,
    /// Rows sent at once
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u16).range(1..=1000))]
    batch: u16,
    /// Batches under way at the same time
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=64))]
    lanes: u8,
    /// Minutes to wait for a server that is away before giving up
    #[arg(long, default_value_t = 10, value_name = "MINUTES")]
    patience: u32,
    /// Send all rows again, even those that an interrupted import has confirmed
    #[arg(long)]
    from_start: bool,
    /// Print the summary as JSON, and no progress
    #[arg(long)]
    json: bool,
}

/// More rows under way would fill the server's queue: it would turn some away and take later ones, out of order.
const ROWS_UNDER_WAY_MAX: u32 = 8_000;
/// Between two notes of the progress.
const NOTE_EVERY: Duration = Duration::from_secs(1);

pub(crate) async fn run(common: &CommonFlags, command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Purchases(args) => {
            let (goal, form) = (args.goal(), args.form());
            import(common, args.running, goal, form).await
        }
        Command::Customers(args) => {
            let (goal, form) = (args.goal(), args.form());
            import(common, args.running, goal, form).await
        }
    }
}

/// Where rows go, and what is said of all of them.
#[derive(Debug, Clone)]
struct Goal {
    path: &'static str,
    /// What a row is, in the plural.
    rows: &'static str,
    /// The body of a request without rows.
    envelope: Value,
    /// How the file is read.
    mapping: String,
}

impl Goal {
    /// The body of a request with these rows.
    fn body(&self, rows: Vec<Value>) -> Value {
        let mut body = self.envelope.clone();
        body["rows"] = rows.into();
        body
    }
}

async fn import(common: &CommonFlags, args: Running, goal: Goal, form: impl Form) -> anyhow::Result<ExitCode> {
    if u32::from(args.batch) * u32::from(args.lanes) > ROWS_UNDER_WAY_MAX {
        bail!("--batch times --lanes must not be more than {ROWS_UNDER_WAY_MAX} rows");
    }
    let settings = settings(common)?;
    let client = Client::new(&settings, &args.server)?;
    let reader = Reader::open(&args.file, args.delimiter, form)?;
    let head = head(&client, &args, &goal).await?;
    let note = ProgressFile::of(&settings.data_dir, &args.identity(&client, &goal)?);
    let confirmed = if args.from_start { 0 } else { note.confirmed(head) };
    let rejects = Rejects::open(args.rejects_file()?, reader.header(), confirmed > 0)?;
    let left_out = reader.left_out();
    let import = Import { args, goal, client, note, confirmed, left_out, begun: Instant::now() };
    import.carry_out(reader, rejects).await
}

/// The last position of the log. A server that is there but not ready is waited for; one that is not there is told of.
async fn head(client: &Client, args: &Running, goal: &Goal) -> anyhow::Result<i64> {
    let begun = Instant::now();
    loop {
        match client.post(goal.path, &goal.body(Vec::new())).await {
            Ok(answer) => return Ok(answer.body["position"].as_i64().unwrap_or_default()),
            Err(error @ CallError::Refused(_)) if error.may_pass() && begun.elapsed() < args.patience() => {
                tokio::time::sleep(error.retry_after().unwrap_or(NOTE_EVERY)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// One run.
struct Import {
    args: Running,
    goal: Goal,
    client: Client,
    note: ProgressFile,
    /// Rows that an earlier run has confirmed.
    confirmed: u64,
    /// Columns of the file that are not sent.
    left_out: Vec<String>,
    begun: Instant,
}

impl Import {
    async fn carry_out(self, mut reader: Reader<impl Form>, rejects: Rejects) -> anyhow::Result<ExitCode> {
        let mut tally = Tally::new(self.confirmed, rejects);
        let progress = Progress::new(self.args.json, "rows", self.confirmed);
        if !self.left_out.is_empty() {
            progress.says(format_args!("columns that are left out: {}", self.left_out.join(", ")));
        }
        if self.confirmed > 0 {
            let row = thousands(self.confirmed);
            progress.says(format_args!("going on after row {row}; --from-start sends all rows again"));
        }
        let extent = reader.extent();
        let sending = Sending::new(self.client.clone(), self.goal.clone(), self.args.patience());
        let (lanes, mut verdicts) = Lanes::start(sending, self.args.lanes, self.args.batch);
        let confirmed = self.confirmed;
        // Reading and parsing is work for a thread of its own; full lanes hold it back.
        let reading = tokio::task::spawn_blocking(move || deal(&mut reader, &lanes, confirmed));
        let mut noted = Instant::now();
        let mut some = Vec::new();
        while verdicts.recv_many(&mut some, 4_096).await > 0 {
            some.drain(..).try_for_each(|verdict| tally.take(verdict))?;
            progress.moves(tally.rows(), extent.rows_estimated());
            if noted.elapsed() > NOTE_EVERY {
                tally.flush()?;
                self.note.write(&tally);
                noted = Instant::now();
            }
        }
        tally.flush()?;
        self.note.write(&tally);
        progress.ends();
        let whole = reading.await.context("the reader of the file died")?;
        self.conclude(&tally, whole)
    }

    fn conclude(&self, tally: &Tally, whole: anyhow::Result<()>) -> anyhow::Result<ExitCode> {
        let kept = || {
            let rows = counted(tally.confirmed_through(), "row");
            format!("confirmed: {rows}; start the same command again to go on from there")
        };
        if let Some(reason) = tally.given_up() {
            bail!("{reason}; {}", kept());
        }
        whole.with_context(kept)?;
        self.note.remove();
        match self.args.json {
            true => print_json(&self.summary(tally))?,
            false => say!("{}", self.summary_text(tally))?,
        }
        Ok(well_or(tally.rejected == 0, ROWS_REJECTED))
    }

    fn summary(&self, tally: &Tally) -> Value {
        json!({
            "rows": tally.rows(), "recorded": tally.recorded, "already_there": tally.repeated,
            "confirmed_before": self.confirmed, "rejected": tally.rejected, "customers": tally.customers(),
            "seconds": self.begun.elapsed().as_secs_f64(), (format!("{}_per_second", self.goal.rows)): self.rate(tally),
            "rejects_file": tally.rejects_file(), "columns_left_out": self.left_out, "warnings": tally.warned,
        })
    }

    fn summary_text(&self, tally: &Tally) -> String {
        let before = match self.confirmed {
            0 => String::new(),
            rows => format!(", {} confirmed by the run before", thousands(rows)),
        };
        let took = self.begun.elapsed();
        let rate = rate(tally.recorded + tally.repeated, took);
        let rate = rate.map(|rate| format!(", {} {}/s", thousands(rate), self.goal.rows)).unwrap_or_default();
        let rejects = match (tally.rejected, tally.rejects_file()) {
            (0, _) | (_, None) => String::new(),
            (_, Some(file)) => format!("\nrejected rows, with the reasons: {}", file.display()),
        };
        format!(
            "{}: {} recorded, {} already there, {} rejected{before}\n{}; {:.1} s{rate}{rejects}{}",
            counted(tally.rows(), "row"),
            thousands(tally.recorded),
            thousands(tally.repeated),
            thousands(tally.rejected),
            counted(tally.customers(), "customer"),
            took.as_secs_f64(),
            warnings_text(tally),
        )
    }

    /// Rows that the server has answered, a second.
    fn rate(&self, tally: &Tally) -> u64 {
        let milliseconds = self.begun.elapsed().as_millis().max(1);
        let rate = u128::from(tally.recorded + tally.repeated) * 1_000 / milliseconds;
        u64::try_from(rate).unwrap_or(u64::MAX)
    }
}

/// A line for each warning: how many rows have it, and the first of them.
fn warnings_text(tally: &Tally) -> String {
    let line = |(code, warned): (&String, &Warned)| {
        let rows: Vec<_> = warned.first.iter().map(ToString::to_string).collect();
        let more = if warned.rows > rows.len() as u64 { ", …" } else { "" };
        format!(
            "\nwarning {code}: {}, recorded all the same (row {}{more})",
            counted(warned.rows, "row"),
            rows.join(", ")
        )
    };
    tally.warned.iter().map(line).collect()
}

/// Hands the rows of a file to the lanes.
fn deal(reader: &mut Reader<impl Form>, lanes: &Lanes, confirmed: u64) -> anyhow::Result<()> {
    while let Some(read) = reader.next()? {
        let taken = match read {
            Read::Row(row) if row.row > confirmed => lanes.send(row),
            Read::Reject(reject) if reject.row > confirmed => lanes.verdict(Verdict::Rejected(reject)),
            Read::Row(_) | Read::Reject(_) => true,
        };
        if !taken {
            return Ok(()); // the lanes have given up, and the tally knows why
        }
    }
    Ok(())
}

impl Running {
    /// What makes two runs the same import: the file, how it is read, and where it goes.
    fn identity(&self, client: &Client, goal: &Goal) -> anyhow::Result<String> {
        let shown = self.file.display();
        let path = self.file.canonicalize().with_context(|| format!("{shown} cannot be found"))?;
        let found = path.metadata().with_context(|| format!("{shown} cannot be looked at"))?;
        let content = rows::fingerprint(&path)?;
        let (mapping, envelope) = (&goal.mapping, goal.body(Vec::new()));
        Ok(format!("{path:?} {} {content} {mapping} {:?} {envelope} {}", found.len(), self.delimiter, client.url()))
    }

    fn rejects_file(&self) -> anyhow::Result<PathBuf> {
        if let Some(named) = &self.rejects {
            return Ok(named.clone());
        }
        let name = self.file.file_name().with_context(|| format!("{} is no file", self.file.display()))?;
        let name = name.to_string_lossy();
        let stem = name.strip_suffix(".gz").unwrap_or(&name);
        Ok(PathBuf::from(format!("{}.rejects.csv", stem.strip_suffix(".csv").unwrap_or(stem))))
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(u64::from(self.patience) * 60)
    }
}

#[cfg(test)]
mod tests {
    use super::Command;
    use super::purchases::Purchases;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        command: Command,
    }

    fn parsed(flags: &[&str]) -> Purchases {
        let words = ["clientela", "purchases", "/data/sales.csv.gz"].iter().chain(flags);
        match Line::try_parse_from(words).unwrap().command {
            Command::Purchases(purchases) => *purchases,
            Command::Customers(_) => panic!("these are purchases"),
        }
    }

    #[test]
    fn what_is_not_said_has_a_usual_value() {
        let purchases = parsed(&["--now", "1998-06-30"]);
        assert_eq!(purchases.running.rejects_file().unwrap().to_str(), Some("sales.rejects.csv"));
        let body = purchases.goal().body(Vec::new());
        assert_eq!(body["now"], "1998-06-30");
        assert_eq!((body["system"].as_str(), body["currency"].as_str()), (Some("import"), Some("USD")));
    }
}
