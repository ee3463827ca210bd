//! What is said with the answer of what was taken: somebody should look at it.

use domain::document::Document;
use domain::email::Email;
use domain::validators::warnings::{self, Warning};
use serde::Serialize;
use utoipa::ToSchema;

/// What is taken although somebody should look at it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WarningView {
    /// `disposable_email` or `wrong_control_character`.
    #[schema(example = "disposable_email")]
    code: &'static str,
    /// Where it stands in what was sent.
    #[schema(example = "/emails/0")]
    pointer: String,
    /// In words; may change.
    #[schema(example = "10minutemail.com gives out mailboxes for minutes")]
    detail: String,
}

/// Of a body that has lists of contacts.
pub(super) fn in_lists(emails: &[Email], documents: &[Document]) -> Vec<WarningView> {
    views(warnings::of(emails, documents, |list, index| format!("/{list}/{index}")))
}

/// Of a row that has one of each.
pub(crate) fn in_row(emails: &[Email], documents: &[Document]) -> Vec<WarningView> {
    views(warnings::of(emails, documents, |list, _| format!("/{}", list.trim_end_matches('s'))))
}

fn views(warnings: Vec<Warning>) -> Vec<WarningView> {
    let view = |Warning { code, pointer, detail }| WarningView { code, pointer, detail };
    warnings.into_iter().map(view).collect()
}
