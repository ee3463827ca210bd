//! The templates of the page.

use crate::http::customers::export::details::Detail;
use askama::Template;
use uuid::Uuid;

#[derive(Template)]
#[template(path = "export/head.html")]
pub(super) struct Head<'a> {
    pub(super) policy: &'a str,
    pub(super) style: &'static str,
    pub(super) company: &'a str,
    pub(super) made_at: &'a str,
    pub(super) zone: &'a str,
    pub(super) customer: Uuid,
    pub(super) position: i64,
    pub(super) contents: &'a [(&'a str, &'a str)],
}

#[derive(Template)]
#[template(path = "export/section.html")]
pub(super) struct Section<'a> {
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    pub(super) note: &'a str,
}

#[derive(Template)]
#[template(path = "export/facts.html")]
pub(super) struct Facts<'a> {
    pub(super) facts: &'a [Detail],
}

/// A column of a table.
pub(super) struct Column {
    pub(super) title: &'static str,
    pub(super) is_number: bool,
}

#[derive(Template)]
#[template(path = "export/columns.html")]
pub(super) struct Columns<'a> {
    pub(super) columns: &'a [Column],
}

#[derive(Template)]
#[template(path = "export/row.html")]
pub(super) struct Row<'a> {
    pub(super) cells: Vec<(&'a Column, String)>,
}

#[derive(Template)]
#[template(path = "export/entry.html")]
pub(super) struct Entry<'a> {
    pub(super) at: &'a str,
    pub(super) by: &'a str,
    pub(super) sentence: &'a str,
    pub(super) is_erased: bool,
    pub(super) facts: &'a [Detail],
}

#[derive(Template)]
#[template(path = "export/lines.html")]
pub(super) struct Lines<'a> {
    pub(super) lines: &'a [String],
}

#[derive(Template)]
#[template(path = "export/end.html")]
pub(super) struct End<'a> {
    pub(super) by: &'a str,
    pub(super) made_at: &'a str,
}
