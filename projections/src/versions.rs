//! The golden files of read models: what the tables and indexes of each version were. Old versions are rebuilt when a server starts, so
//! changed tables under an old number would be found by nobody. A file once released is never edited; `GOLDEN=write` writes
//! those that are missing.

use crate::projectors;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;

#[test]
fn changed_tables_or_indexes_are_another_version() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden_tables");
    for projector in projectors() {
        let (name, version) = (projector.name, projector.version);
        let made = hex::encode(Sha256::digest([projector.tables_sql, projector.indexes_sql].concat()));
        let path = folder.join(name).join(format!("v{version}.sha256"));
        if std::env::var("GOLDEN").as_deref() == Ok("write") && !path.exists() {
            fs::create_dir_all(folder.join(name)).unwrap();
            fs::write(&path, format!("{made}\n")).unwrap();
        }
        let found = fs::read_to_string(&path);
        let found = found.unwrap_or_else(|_| panic!("{name} has no golden file of version {version}: `make golden`"));
        assert_eq!(
            found.trim(),
            made,
            "the tables or indexes of {name} are no longer those of version {version}: raise its VERSION, then `make golden`"
        );
    }
}
