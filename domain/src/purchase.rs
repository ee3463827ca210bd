//! Lines of purchases and of refunds: what customers bought, and what programmes look at.

use crate::event::clear_values;
use crate::ids::{CategoryCode, Sku};
use crate::money::Money;

clear_values! {
    /// One line of a purchase.
    pub struct PurchaseLine {
        /// The article.
        pub sku: Sku,
        /// Its category.
        pub category: Option<CategoryCode>,
        /// How many; at least one.
        pub quantity: u32,
        /// What the line costs, in the currency of the total; below zero for a discount.
        pub amount: Money,
    }
}

clear_values! {
    /// What a refund gave back of one line of the purchase.
    pub struct RefundedLine {
        /// The index of the line in the purchase, from zero.
        pub line: u32,
        /// The article.
        pub sku: Sku,
        /// How many of it.
        pub quantity: u32,
        /// What they cost by the line; what lowered the price of the whole purchase is not in it.
        pub amount: Money,
    }
}

/// What of a line has been given back by now, by all refunds together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineGivenBack {
    /// The index of the line in the purchase, from zero.
    pub line: u32,
    /// How many of its articles.
    pub quantity: u32,
    /// What they cost by the line, in minor units.
    pub minor: i64,
}

impl LineGivenBack {
    /// Adds what a refund gives back to what was given back before.
    pub fn add(given_back: &mut Vec<Self>, lines: &[RefundedLine]) {
        for RefundedLine { line, quantity, amount, .. } in lines {
            match given_back.iter_mut().find(|known| known.line == *line) {
                Some(known) => {
                    known.quantity = known.quantity.saturating_add(*quantity);
                    known.minor = known.minor.saturating_add(amount.minor());
                }
                None => given_back.push(Self { line: *line, quantity: *quantity, minor: amount.minor() }),
            }
        }
    }
}
