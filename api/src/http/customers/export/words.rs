//! What happened, in words to the person it happened to. Each event has its sentence: the compiler names one that has none.

mod credit;

use super::details::words;
use domain::customers::address::AddressKind;
use domain::customers::events::{CustomerEvent, ExportFormat};
use domain::ids::Tag;
use domain::loyalty::adjustments::AdjustmentReason;
use domain::loyalty::events::{LoyaltyEvent, ReleaseReason};
use domain::loyalty::flags::FlagKind;
use domain::loyalty::referrals::ReferralStatus;
use domain::{Event, Money};
use projections::access::api_keys::ApiKeyRow;
use projections::loyalty::loyalty_ledger::Movement;
use std::collections::HashMap;
use store::Metadata;

/// The names of programs, by the actors that they are.
pub(super) struct Actors(HashMap<String, String>);

impl Actors {
    pub(super) fn of(keys: &[ApiKeyRow]) -> Self {
        Self(keys.iter().map(|row| (format!("key:{}", row.key), row.name.clone())).collect())
    }

    /// Who caused something, and by which door.
    pub(super) fn by(&self, metadata: &Metadata) -> String {
        let who = self.name(&metadata.actor);
        match metadata.via.as_deref() {
            Some("import") => format!("{who}, by an import"),
            Some(_) | None => who,
        }
    }

    pub(super) fn name(&self, actor: &str) -> String {
        match (self.0.get(actor), actor.split_once(':')) {
            (Some(name), _) => format!("the program “{name}”"),
            (None, Some(("key", _))) => "a program".to_owned(),
            (None, Some(("job" | "reactor", name))) => format!("us, automatically ({})", name.replace('_', " ")),
            (None, _) if actor == "cli" => "our operators".to_owned(),
            (None, _) => actor.to_owned(),
        }
    }
}

/// One sentence about an event.
pub(super) fn sentence(event: &Event) -> String {
    match event {
        Event::Customer(event) => of_customer(event),
        Event::Loyalty(event) => of_loyalty(event),
        Event::Credit(event) => credit::sentence(event),
        // These stand in no stream of a person.
        Event::Programme(event) => words(event.event_type()),
        Event::CreditGroup(event) => words(event.event_type()),
        Event::Access(event) => words(event.event_type()),
    }
}

fn of_customer(event: &CustomerEvent) -> String {
    use CustomerEvent as E;
    match event {
        E::Created { .. } => "You became our customer".to_owned(),
        E::Updated { .. } => "What we know of you was changed".to_owned(),
        E::AddressAdded { kind, .. } => format!("An address {} was added", purpose(*kind)),
        E::AddressChanged { kind, .. } => format!("An address {} was changed", purpose(*kind)),
        E::AddressRemoved { kind, .. } => format!("An address {} was removed", purpose(*kind)),
        E::PreferencesChanged { .. } => "What you like and want to hear of was changed".to_owned(),
        E::PurchaseRecorded { order, total, .. } => format!("You bought for {} (order {order})", spoken(*total)),
        E::PurchaseRefunded { order, amount, .. } => {
            format!("{} of order {order} were given back to you", spoken(*amount))
        }
        E::LifecycleChanged { to, .. } => format!("We count you among our customers as “{}”", words(to.as_str())),
        E::SegmentChanged { to, is_vip, .. } => {
            let among =
                to.map_or("no kind of buyer".to_owned(), |to| format!("buyers whom we call “{}”", words(to.as_str())));
            format!("We count you among {among}{}", if *is_vip { ", and the few for whom we do most" } else { "" })
        }
        E::ReferenceLinked { system, .. } => format!("What the system “{system}” calls you was noted"),
        E::ReferenceUnlinked { system } => format!("What the system “{system}” calls you was struck out"),
        E::UserLinked { .. } => "As whom you log in was noted".to_owned(),
        E::UserUnlinked {} => "As whom you log in was struck out".to_owned(),
        E::Tagged { tags } => format!("We filed you under {}", listed(tags)),
        E::Untagged { tags } => format!("We file you no more under {}", listed(tags)),
        E::Assigned { rep: None, .. } => "Nobody in particular looks after you any more".to_owned(),
        E::Assigned { rep: Some(rep), .. } => format!("Our representative “{rep}” looks after you"),
        E::PortalGranted { permissions } => {
            let parts: Vec<_> = permissions.iter().map(|permission| permission.as_str()).collect();
            format!("In our portal you may see {}", parts.join(", "))
        }
        E::PortalRevoked {} => "In our portal you may see nothing any more".to_owned(),
        E::Referred { .. } => "It was noted that another customer had sent you".to_owned(),
        E::Blocked { reason, .. } => format!("You were blocked ({})", words(reason.as_str())),
        E::Unblocked { .. } => "You were unblocked".to_owned(),
        E::TermsChanged { .. } => "The terms on which you buy were changed".to_owned(),
        E::MetadataChanged { .. } => "What others noted about you was changed".to_owned(),
        E::Exported { format: ExportFormat::Json, .. } => {
            "All that we know of you was handed out, for a program".to_owned()
        }
        E::Exported { format: ExportFormat::Html, .. } => {
            "All that we know of you was handed out, as a page".to_owned()
        }
        E::Merged { .. } => "We saw that we knew you twice, and go on under your other number".to_owned(),
        E::DuplicateAbsorbed { .. } => "We saw that we knew you twice, and put together what we knew".to_owned(),
        E::Deleted { .. } => "You were taken off the list of our customers".to_owned(),
        E::Restored { .. } => "You were put on the list of our customers again".to_owned(),
        E::Erased { .. } => "Who you are was forgotten".to_owned(),
    }
}

fn of_loyalty(event: &LoyaltyEvent) -> String {
    use LoyaltyEvent as E;
    match event {
        E::Enrolled { .. } => "You became a member of our loyalty programme".to_owned(),
        E::PointsEarned { points, order, .. } => format!("You earned {points} points by order {order}"),
        E::TierUpgraded { to, .. } => format!("You reached the tier {}", words(to.as_str())),
        E::TierDowngraded { to, .. } => format!("A yearly review moved you to the tier {}", words(to.as_str())),
        E::TierKept { tier, .. } => format!("A yearly review left you in the tier {}", words(tier.as_str())),
        E::HoldPlaced { points, order, .. } => format!("{points} points were set aside for order {order}"),
        E::HoldReleased { points, reason: ReleaseReason::Cancelled, .. } => {
            format!("{points} points that were set aside came back")
        }
        E::HoldReleased { points, reason: ReleaseReason::Lapsed, .. } => {
            format!("{points} points came back that had been set aside for too long")
        }
        E::PointsRedeemed { points, discount, order, .. } => {
            format!("You spent {points} points for {} off order {order}", spoken(*discount))
        }
        E::PointsPending { points, order, .. } => format!("{points} points for order {order} are yours later"),
        E::PointsReversed { points, order, .. } => {
            format!("{points} points were taken back, because order {order} was given back")
        }
        E::OrderRefunded { order, remaining, .. } => {
            format!("Order {order} was given back, and {} of it remain", spoken(*remaining))
        }
        E::PointsReturned { points, order, .. } => {
            format!("{points} points that you had spent came back, because order {order} was given back")
        }
        E::PointsAdjusted { points, reason: AdjustmentReason::Referral, .. } => match *points < 0 {
            true => {
                format!("{} points were taken back, because whom you sent gave back the order", points.saturating_neg())
            }
            false => format!("{points} points were given to you, because a customer whom you had sent bought"),
        },
        E::PointsAdjusted { points, reason, .. } => {
            let (moved, points) =
                if *points < 0 { ("taken from", points.saturating_neg()) } else { ("given to", *points) };
            format!("{points} points were {moved} you by hand ({})", reason.as_str())
        }
        E::PointsExpired { points, .. } => format!("{points} points expired"),
        E::TransferSent { points, .. } => format!("{points} points went to another account"),
        E::TransferReceived { points, .. } => format!("{points} points came from another account"),
        E::StampAdded { stamps, card, order, .. } => format!("{stamps} stamps on the card {card} for order {order}"),
        E::StampRemoved { stamps, card, order, .. } => {
            format!("{stamps} stamps of the card {card} were taken back, because order {order} was given back")
        }
        E::RewardEarned { code, card, .. } => {
            format!("The card {card} was full, and you earned {}", words(code.as_str()))
        }
        E::RewardWithdrawn { code, order: Some(order), .. } => {
            format!("You no longer had earned {}, because order {order} was given back", words(code.as_str()))
        }
        E::RewardWithdrawn { code, card, order: None, .. } => {
            format!(
                "You no longer had earned {}, because stamps were missing on your other card {card}",
                words(code.as_str())
            )
        }
        E::RewardRedeemed { code, order, .. } => format!("You were given {} with order {order}", words(code.as_str())),
        E::RewardReturned { code, order, .. } => {
            format!("You may have {} again, because order {order} was given back", words(code.as_str()))
        }
        E::RewardExpired { code, .. } => format!("The reward {} expired", words(code.as_str())),
        E::ReferralChanged { .. } | E::FlagRaised { .. } | E::FlagCleared { .. } => of_referral_or_flag(event),
        E::Merged { points, .. } => format!("{points} points went to your other account, which goes on alone"),
        E::Absorbed { points, .. } => format!("{points} points came from your other account"),
        E::Closed { .. } => "The account was closed".to_owned(),
    }
}

/// Who sent the customer, and what a person is to look at.
fn of_referral_or_flag(event: &LoyaltyEvent) -> String {
    use LoyaltyEvent as E;
    match event {
        E::ReferralChanged { order, points, status, .. } => match status {
            ReferralStatus::Pending => format!("Who sent you will be given {points} points for order {order}"),
            ReferralStatus::Earned => format!("Who sent you is given {points} points for order {order}"),
            ReferralStatus::Cancelled | ReferralStatus::Reversed => {
                format!("Who sent you is given no points for order {order}, because it was given back")
            }
        },
        E::FlagRaised { flag: FlagKind::SelfReferral, .. } => {
            "It was noted that who sent you may be yourself, for somebody to look at".to_owned()
        }
        E::FlagRaised { flag: FlagKind::BuyRefundLoop, orders, since, .. } => {
            format!("It was noted that you gave back {orders} orders since {since}, for somebody to look at")
        }
        E::FlagCleared { flag: FlagKind::SelfReferral, .. } => {
            "Somebody has looked at what was noted about who sent you".to_owned()
        }
        E::FlagCleared { flag: FlagKind::BuyRefundLoop, .. } => {
            "Somebody has looked at what was noted about orders you gave back".to_owned()
        }
        event => words(event.event_type()),
    }
}

fn listed(tags: &[Tag]) -> String {
    tags.iter().map(|tag| format!("“{tag}”")).collect::<Vec<_>>().join(", ")
}

/// What an address is for.
pub(super) const fn purpose(kind: AddressKind) -> &'static str {
    match kind {
        AddressKind::Shipping => "for deliveries",
        AddressKind::Billing => "for invoices",
    }
}

/// What a movement of points was.
pub(super) const fn movement(kind: Movement) -> &'static str {
    match kind {
        Movement::Earned => "Earned",
        Movement::Held => "Set aside",
        Movement::Released => "Came back",
        Movement::Redeemed => "Spent",
        Movement::Reversed => "Taken back",
        Movement::Returned => "Given back",
        Movement::Adjusted => "By hand",
        Movement::Expired => "Expired",
        Movement::TransferredIn => "From another account",
        Movement::TransferredOut => "To another account",
        Movement::MergedIn => "From your other account",
        Movement::MergedOut => "To your other account",
        Movement::Closed => "Closed",
    }
}

pub(super) fn spoken(money: Money) -> String {
    format!("{} {}", money.amount(), money.currency().code())
}

#[cfg(test)]
mod tests {
    use super::Actors;
    use chrono::DateTime;
    use projections::access::api_keys::ApiKeyRow;
    use store::{Metadata, Position, TenantId};
    use uuid::Uuid;

    #[test]
    fn who_it_was_is_said_by_name_where_there_is_one() {
        let till = ApiKeyRow {
            key: Uuid::from_u128(7),
            tenant: TenantId(1),
            name: "till-4".to_owned(),
            digest: vec![],
            scopes: vec![],
            created_at: DateTime::UNIX_EPOCH,
            expires_at: None,
            revoked_at: None,
            position: Position(1),
        };
        let actors = Actors::of(&[till]);
        let by = |actor: &str, via: Option<&str>| {
            let via = via.map(str::to_owned);
            actors.by(&Metadata { actor: actor.to_owned(), via, ..Metadata::default() })
        };
        let key = "key:00000000-0000-0000-0000-000000000007";
        assert_eq!(by(key, Some("http")), "the program “till-4”");
        assert_eq!(by(key, Some("import")), "the program “till-4”, by an import");
        assert_eq!(by("key:8", None), "a program");
        assert_eq!(by("job:loyalty_expiry", Some("job")), "us, automatically (loyalty expiry)");
        assert_eq!(by("cli", Some("cli")), "our operators");
        assert_eq!(by("open", None), "open");
    }
}
