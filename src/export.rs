//! `clientela export`: all that a running server knows of a customer, or lists of all customers and of all points ([`lists`]), into a
//! file that only its owner reads, or to standard output.

use crate::client::{Client, ServerAddress, customer_id};
use crate::config::{CommonFlags, settings};
use anyhow::Context;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use uuid::Uuid;

mod lists;

/// What `export` takes.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    list: Option<lists::Command>,
    /// Id of the customer
    #[arg(value_name = "CUSTOMER", required = true, value_parser = customer_or_list)]
    customer: Option<Uuid>,
    #[command(flatten)]
    of_customer: OfCustomer,
}

/// How a customer is exported.
#[derive(Debug, clap::Args)]
struct OfCustomer {
    /// For programs, or a page for the person
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
    /// Write here, readable by its owner only [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    server: ServerAddress,
}

/// What is no id may be a list that is called otherwise.
fn customer_or_list(text: &str) -> Result<Uuid, String> {
    customer_id(text).map_err(|wrong| format!("{wrong}; the lists are `customers` and `ledger`"))
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    Json,
    Html,
}

pub(crate) async fn run(common: &CommonFlags, args: Args) -> anyhow::Result<ExitCode> {
    let (customer, args) = match (args.list, args.customer) {
        (Some(list), _) => return lists::run(common, list).await,
        (None, customer) => (customer.context("the id of a customer is needed")?, args.of_customer),
    };
    let client = Client::new(&settings(common)?, &args.server)?;
    let format = match args.format {
        Format::Json => "json",
        Format::Html => "html",
    };
    let path = format!("/v1/customers/{}/export?format={format}", customer);
    // A place that cannot be written is found before anything is handed out.
    let mut target = args.output.as_deref().map(Target::open).transpose()?;
    let mut answer = client.open(&path, None).await?;
    while let Some(piece) = answer.chunk().await.context("the export broke off: ask again")? {
        match &mut target {
            Some(target) => target.write(&piece)?,
            None if !print(&piece)? => return Ok(ExitCode::SUCCESS),
            None => {}
        }
    }
    target.map(Target::end).transpose()?;
    Ok(ExitCode::SUCCESS)
}

/// Whether anybody still reads.
fn print(piece: &[u8]) -> anyhow::Result<bool> {
    match io::stdout().write_all(piece).and_then(|()| io::stdout().flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        written => written.map(|()| true).context("the export cannot be written"),
    }
}

/// A file that has its name only when it is whole.
struct Target {
    file: File,
    path: PathBuf,
    unfinished: PathBuf,
}

impl Target {
    fn open(path: &Path) -> anyhow::Result<Self> {
        let mut unfinished = path.as_os_str().to_owned();
        unfinished.push(".unfinished");
        let unfinished = PathBuf::from(unfinished);
        // What an interrupted run left may be readable by others.
        if let Err(error) = std::fs::remove_file(&unfinished)
            && error.kind() != ErrorKind::NotFound
        {
            return Err(error).with_context(|| format!("{} cannot be removed", unfinished.display()));
        }
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished);
        let file = file.with_context(|| format!("{} cannot be written", unfinished.display()))?;
        Ok(Self { file, path: path.to_owned(), unfinished })
    }

    fn write(&mut self, piece: &[u8]) -> anyhow::Result<()> {
        self.file.write_all(piece).with_context(|| format!("{} cannot be written", self.unfinished.display()))
    }

    fn end(self) -> anyhow::Result<()> {
        let named = self.file.sync_all().and_then(|()| std::fs::rename(&self.unfinished, &self.path));
        named.with_context(|| format!("{} cannot be written", self.path.display()))
    }
}

/// Nothing of a person is left behind where it broke off.
impl Drop for Target {
    fn drop(&mut self) {
        // After its end there is none.
        let _ = std::fs::remove_file(&self.unfinished);
    }
}
