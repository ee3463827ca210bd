//! The rejected rows: a CSV file of row number, line, code and reason, then the row as it stood, so that it can be mended
//! and imported by itself. The file is made at the first rejected row.

use super::rows::Reject;
use anyhow::{Context, bail};
use csv::{ByteRecord, ReaderBuilder, Writer, WriterBuilder};
use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

/// The columns in front of those of the file.
const COLUMNS: [&str; 4] = ["rejected_row", "rejected_line", "rejected_code", "rejected_reason"];

/// The file of rejected rows.
pub(super) struct Rejects {
    path: PathBuf,
    header: ByteRecord,
    /// Rows that an interrupted run has written.
    known: HashSet<u64>,
    writer: Option<Writer<File>>,
}

impl Rejects {
    /// Looks at what is there. A run that goes on keeps it, another one begins anew.
    pub(super) fn open(path: PathBuf, header: &ByteRecord, goes_on: bool) -> anyhow::Result<Self> {
        let mut known = HashSet::new();
        if path.exists() {
            let text = fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
            if !text.is_empty() && !text.starts_with(COLUMNS[0].as_bytes()) {
                bail!("{} exists and is no file of rejected rows: name another with --rejects", path.display());
            }
            if goes_on {
                known = keep_whole_lines(&path, &text)?;
            } else {
                fs::remove_file(&path).with_context(|| format!("{} cannot be replaced", path.display()))?;
            }
        }
        Ok(Self { path, header: header.clone(), known, writer: None })
    }

    /// How many rows an interrupted run has written.
    pub(super) fn count(&self) -> u64 {
        self.known.len() as u64
    }

    /// The file, if any row was ever rejected.
    pub(super) fn file(&self) -> Option<&Path> {
        (self.writer.is_some() || !self.known.is_empty()).then_some(self.path.as_path())
    }

    /// Writes a row; `false` when it is in the file already.
    pub(super) fn write(&mut self, reject: &Reject) -> anyhow::Result<bool> {
        if self.known.contains(&reject.row) {
            return Ok(false);
        }
        let shown = self.path.display().to_string();
        let writer = match &mut self.writer {
            Some(writer) => writer,
            None => self.writer.insert(begin(&self.path, &self.header)?),
        };
        let (row, line) = (reject.row.to_string(), reject.line.to_string());
        let own = [row.as_bytes(), line.as_bytes(), reject.code.as_bytes(), reject.reason.as_bytes()];
        let written = writer.write_record(own.into_iter().chain(reject.fields.iter()));
        written.with_context(|| format!("{shown} cannot be written"))?;
        Ok(true)
    }

    /// Hands what was written to the operating system.
    pub(super) fn flush(&mut self) -> anyhow::Result<()> {
        let Some(writer) = &mut self.writer else { return Ok(()) };
        writer.flush().with_context(|| format!("{} cannot be written", self.path.display()))
    }
}

fn begin(path: &Path, header: &ByteRecord) -> anyhow::Result<Writer<File>> {
    let failed =
        || format!("the rejected rows cannot be written to {}: name another file with --rejects", path.display());
    let file = OpenOptions::new().create(true).append(true).open(path).with_context(failed)?;
    let is_new = file.metadata().with_context(failed)?.len() == 0;
    let mut writer = WriterBuilder::new().flexible(true).from_writer(file);
    if is_new {
        let columns = COLUMNS.iter().map(|name| name.as_bytes());
        writer.write_record(columns.chain(header.iter())).with_context(failed)?;
    }
    Ok(writer)
}

/// Cuts off the line that a crash left unfinished, and says which rows the others are.
fn keep_whole_lines(path: &Path, text: &[u8]) -> anyhow::Result<HashSet<u64>> {
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
    if whole < text.len() {
        let cut = OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(whole as u64));
        cut.with_context(|| format!("{} cannot be mended", path.display()))?;
    }
    let mut lines = ReaderBuilder::new().flexible(true).from_reader(&text[..whole]);
    let number = |line: ByteRecord| std::str::from_utf8(line.get(0)?).ok()?.parse().ok();
    Ok(lines.byte_records().filter_map(Result::ok).filter_map(number).collect())
}

#[cfg(test)]
mod tests {
    use super::Rejects;
    use crate::import::rows::Reject;
    use csv::ByteRecord;
    use std::sync::Arc;

    fn reject(row: u64) -> Reject {
        let fields = Arc::new(ByteRecord::from(vec![&b"\xe9"[..], b"x"]));
        Reject { row, line: row + 1, code: "invalid_date".to_owned(), reason: "date: no".to_owned(), fields }
    }

    #[test]
    fn an_interrupted_run_goes_on_where_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.rejects.csv");
        let header = ByteRecord::from(vec!["customer", "date"]);
        let mut rejects = Rejects::open(path.clone(), &header, false).unwrap();
        assert!(rejects.file().is_none() && !path.exists());
        assert!(rejects.write(&reject(3)).unwrap());
        rejects.flush().unwrap();
        let mut text = std::fs::read(&path).unwrap();
        text.extend_from_slice(b"5,6,inva");
        std::fs::write(&path, text).unwrap();
        let mut rejects = Rejects::open(path.clone(), &header, true).unwrap();
        assert_eq!(rejects.count(), 1);
        assert!(!rejects.write(&reject(3)).unwrap());
        assert!(rejects.write(&reject(5)).unwrap());
        rejects.flush().unwrap();
        let text = std::fs::read(&path).unwrap();
        assert_eq!(
            String::from_utf8_lossy(&text),
            "rejected_row,rejected_line,rejected_code,rejected_reason,customer,date\n\
             3,4,invalid_date,date: no,\u{fffd},x\n5,6,invalid_date,date: no,\u{fffd},x\n"
        );
    }

    #[test]
    fn a_file_of_somebody_else_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("important.csv");
        std::fs::write(&path, "a,b\n").unwrap();
        assert!(Rejects::open(path.clone(), &ByteRecord::new(), false).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"a,b\n");
    }
}
