//! How a customer stands with us, in its row: what it may, on which terms it buys, which stages it has reached, what others noted.

use super::{CustomerRow, CustomerStatus};
use crate::query::{Nonsense, get};
use crate::tables::Columns;
use chrono::NaiveDate;
use domain::customers::blocking::BlockReason;
use domain::customers::events::{CustomerEvent, LifecycleStage};
use domain::customers::terms::{Terms, VolumeDiscount};
use domain::segment::{Scores, Segment, Segmented, UnknownSegment};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use std::collections::BTreeMap;

/// The columns.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Standing {
    /// What it may see and do for itself.
    pub portal: Vec<String>,
    /// That it is blocked.
    pub block: Option<BlockRow>,
    /// Business date on which it first reached each stage; that it was a prospect, its registration says.
    pub milestones: BTreeMap<String, NaiveDate>,
    /// Which kind of buyer it is.
    pub segment: SegmentRow,
    /// On which terms it buys.
    pub terms: Terms,
    /// What others noted.
    pub metadata: BTreeMap<String, String>,
}

/// Which kind of buyer a customer is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SegmentRow {
    /// Its segment, and whether most is done for it.
    pub segmented: Segmented,
    /// What that follows from.
    pub scores: Option<Scores>,
    /// Business date since which it is so.
    pub since: Option<NaiveDate>,
}

/// That a customer is blocked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockRow {
    /// Why.
    pub reason: BlockReason,
    /// Business date since which it is so.
    pub since: NaiveDate,
    /// The same in words.
    pub note: Option<String>,
}

impl Standing {
    /// The first time counts.
    pub(super) fn reached(mut self, stage: LifecycleStage, on: NaiveDate) -> Self {
        if stage != LifecycleStage::Prospect {
            self.milestones.entry(stage.as_str().to_owned()).or_insert(on);
        }
        self
    }

    /// What may have told who it was is gone.
    pub(super) fn blank(self) -> Self {
        let block = self.block.map(|block| BlockRow { note: None, ..block });
        Self { block, metadata: BTreeMap::new(), ..self }
    }

    pub(super) fn put(&self, to: &mut Columns) {
        let block = self.block.as_ref();
        to.put_list("portal", &self.portal)
            .put("blocked_reason", block.map(|block| block.reason.as_str()))
            .put("blocked_since", block.map(|block| block.since))
            .put("block_note", block.and_then(|block| block.note.as_deref()))
            .put("segment", self.segment.segmented.segment.map(Segment::as_str))
            .put("is_vip", self.segment.segmented.is_vip)
            .put("segment_since", self.segment.since)
            .put("segment_scores", self.segment.scores.as_ref().map(Json))
            .put("milestones", Json(&self.milestones))
            .put("volume_discount", self.terms.volume_discount.as_ref().map(Json))
            .put("payment_days", self.terms.payment_days.map(i32::from))
            .put("metadata", Json(&self.metadata));
    }
}

/// A row after its standing changed. What is no longer known is blank.
pub(super) fn applied(mut row: CustomerRow, event: &CustomerEvent) -> CustomerRow {
    if let CustomerEvent::PortalGranted { permissions } = event {
        row.standing.portal = permissions.iter().map(|permission| permission.as_str().to_owned()).collect();
    }
    if let CustomerEvent::PortalRevoked {} = event {
        row.standing.portal.clear();
    }
    if let CustomerEvent::Blocked { reason, on, personal } = event {
        let note = personal.known().and_then(|note| note.note.as_ref()).map(ToString::to_string);
        row.standing.block = Some(BlockRow { reason: *reason, since: *on, note });
    }
    if let CustomerEvent::SegmentChanged { from: _, to, is_vip, scores, on } = event {
        let segmented = Segmented { segment: *to, is_vip: *is_vip };
        row.standing.segment = SegmentRow { segmented, scores: *scores, since: Some(*on) };
    }
    if let CustomerEvent::Unblocked { .. } = event {
        row.standing.block = None;
    }
    if let CustomerEvent::TermsChanged { terms } = event {
        row.standing.terms = terms.clone();
    }
    if let CustomerEvent::MetadataChanged { personal } = event {
        let notes = personal.known().into_iter().flat_map(|metadata| &metadata.notes);
        row.standing.metadata = notes.map(|(name, text)| (name.to_string(), text.to_string())).collect();
    }
    let status = match (row.status, &row.standing.block) {
        (CustomerStatus::Active | CustomerStatus::Blocked, Some(_)) => CustomerStatus::Blocked,
        (CustomerStatus::Active | CustomerStatus::Blocked, None) => CustomerStatus::Active,
        (status @ (CustomerStatus::Merged | CustomerStatus::Deleted | CustomerStatus::Erased), _) => status,
    };
    CustomerRow { status, ..row }
}

pub(super) fn read(row: &PgRow) -> Result<Standing, sqlx::Error> {
    let (Json(milestones), Json(metadata)) = (get(row, "milestones")?, get(row, "metadata")?);
    let volume_discount: Option<Json<VolumeDiscount>> = get(row, "volume_discount")?;
    let payment_days: Option<i32> = get(row, "payment_days")?;
    let terms = Terms {
        volume_discount: volume_discount.map(|Json(discount)| discount),
        payment_days: payment_days.map(days).transpose()?,
    };
    let (portal, block, segment) = (get(row, "portal")?, block(row)?, segment(row)?);
    Ok(Standing { portal, block, milestones, segment, terms, metadata })
}

fn segment(row: &PgRow) -> Result<SegmentRow, sqlx::Error> {
    let (segment, scores): (Option<String>, Option<Json<Scores>>) = (get(row, "segment")?, get(row, "segment_scores")?);
    let segment = segment.map(|segment| segment.parse()).transpose();
    let segment = segment.map_err(|UnknownSegment| nonsense("segment", "not one of the known words"))?;
    let segmented = Segmented { segment, is_vip: get(row, "is_vip")? };
    Ok(SegmentRow { segmented, scores: scores.map(|Json(scores)| scores), since: get(row, "segment_since")? })
}

fn block(row: &PgRow) -> Result<Option<BlockRow>, sqlx::Error> {
    let (reason, since): (Option<String>, Option<NaiveDate>) =
        (get(row, "blocked_reason")?, get(row, "blocked_since")?);
    let (Some(reason), Some(since)) = (reason, since) else { return Ok(None) };
    let known = BlockReason::ALL.into_iter().find(|known| known.as_str() == reason);
    let reason = known.ok_or_else(|| nonsense("blocked_reason", "not one of the known words"))?;
    Ok(Some(BlockRow { reason, since, note: get(row, "block_note")? }))
}

fn days(days: i32) -> Result<u16, sqlx::Error> {
    u16::try_from(days).map_err(|_| nonsense("payment_days", "not a number of days"))
}

fn nonsense(column: &str, what: &'static str) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: Box::new(Nonsense(what)) }
}
