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
