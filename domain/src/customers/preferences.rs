//! What a customer likes, and how they want to be written to and billed.

use serde::{Deserialize, Serialize};

use crate::customers::commands::CustomerError;
use crate::customers::customer::at_most;
use crate::event::{Personal, clear_values};
use crate::ids::{CategoryCode, Channel, Language, Sku, Topic};
use crate::money::Currency;
use crate::patch::Patch;
use crate::text::PreferenceText;

/// The most entries of a list of preferences.
pub const PREFERENCES_MAX: usize = 50;

clear_values! {
    /// What may be known of a customer's preferences without knowing who it is.
    #[derive(Default)]
    pub struct Preferences {
        /// Where they like to buy, the favourite first.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub channels: Vec<Channel>,
        /// What they are interested in.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub categories: Vec<CategoryCode>,
        /// What they want to hear of, and how.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub notifications: Vec<Notification>,
        /// How they are billed.
        pub billing: Option<Billing>,
    }

    /// What a customer wants to hear of, and how; without channels not at all.
    pub struct Notification {
        /// What it is about, such as `offers`.
        pub topic: Topic,
        /// How it is sent, such as `email`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        pub channels: Vec<Channel>,
    }

    /// How a customer is billed.
    pub struct Billing {
        /// The currency of invoices.
        pub currency: Option<Currency>,
        /// The language of invoices.
        pub language: Option<Language>,
        /// How invoices are sent, such as `email` or `post`.
        pub delivery: Option<Channel>,
    }

    /// An article of a favourite order.
    pub struct FavouriteItem {
        /// The article.
        pub sku: Sku,
        /// How many; at least one.
        pub quantity: u32,
    }
}

/// What of the preferences tells something of the person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonalPreferences {
    /// What must not be: allergies, no calls before ten, and the like.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub restrictions: Vec<PreferenceText>,
    /// What they order again and again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub favourite_orders: Vec<FavouriteOrder>,
}

/// An order that a customer makes again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FavouriteOrder {
    /// What they call it.
    pub name: PreferenceText,
    /// What is in it.
    pub items: Vec<FavouriteItem>,
    /// How they want it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<PreferenceText>,
}

/// What is to become of a customer's preferences (RFC 7396): a list is replaced as a whole, an object member by member.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PreferencesPatch {
    /// Where they like to buy.
    pub channels: Patch<Vec<Channel>>,
    /// What they are interested in.
    pub categories: Patch<Vec<CategoryCode>>,
    /// What they want to hear of, and how.
    pub notifications: Patch<Vec<Notification>>,
    /// How they are billed.
    pub billing: Patch<BillingPatch>,
    /// What must not be.
    pub restrictions: Patch<Vec<PreferenceText>>,
    /// What they order again and again.
    pub favourite_orders: Patch<Vec<FavouriteOrder>>,
}

/// What is to become of how a customer is billed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BillingPatch {
    /// The currency of invoices.
    pub currency: Patch<Currency>,
    /// The language of invoices.
    pub language: Patch<Language>,
    /// How invoices are sent.
    pub delivery: Patch<Channel>,
}

impl BillingPatch {
    fn applied(&self, current: Option<&Billing>) -> Billing {
        Billing {
            currency: self.currency.applied(current.and_then(|billing| billing.currency.as_ref())),
            language: self.language.applied(current.and_then(|billing| billing.language.as_ref())),
            delivery: self.delivery.applied(current.and_then(|billing| billing.delivery.as_ref())),
        }
    }
}

impl PreferencesPatch {
    /// The preferences after the patch.
    pub(super) fn applied(
        &self,
        clear: &Preferences,
        personal: &PersonalPreferences,
    ) -> (Preferences, PersonalPreferences) {
        let after = Preferences {
            channels: self.channels.applied(Some(&clear.channels)).unwrap_or_default(),
            categories: self.categories.applied(Some(&clear.categories)).unwrap_or_default(),
            notifications: self.notifications.applied(Some(&clear.notifications)).unwrap_or_default(),
            billing: self.billing.merged(clear.billing.as_ref(), BillingPatch::applied),
        };
        let personal = PersonalPreferences {
            restrictions: self.restrictions.applied(Some(&personal.restrictions)).unwrap_or_default(),
            favourite_orders: self.favourite_orders.applied(Some(&personal.favourite_orders)).unwrap_or_default(),
        };
        (after, personal)
    }
}

/// What a customer prefers, as far as it is still known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldPreferences {
    /// What may be known without knowing who it is.
    pub clear: Preferences,
    /// What tells something of the person.
    pub personal: Personal<PersonalPreferences>,
}

impl Default for HeldPreferences {
    fn default() -> Self {
        Self { clear: Preferences::default(), personal: PersonalPreferences::default().into() }
    }
}

pub(super) fn check(clear: &Preferences, personal: &PersonalPreferences) -> Result<(), CustomerError> {
    at_most("channels", PREFERENCES_MAX, clear.channels.len())?;
    at_most("categories", PREFERENCES_MAX, clear.categories.len())?;
    at_most("notifications", PREFERENCES_MAX, clear.notifications.len())?;
    for notification in &clear.notifications {
        at_most("notifications", PREFERENCES_MAX, notification.channels.len())?;
    }
    at_most("restrictions", PREFERENCES_MAX, personal.restrictions.len())?;
    at_most("favourite_orders", PREFERENCES_MAX, personal.favourite_orders.len())?;
    for order in &personal.favourite_orders {
        at_most("favourite_orders", PREFERENCES_MAX, order.items.len())?;
        if order.items.iter().any(|item| item.quantity == 0) {
            return Err(CustomerError::QuantityRequired { items: "favourite_orders" });
        }
    }
    Ok(())
}
