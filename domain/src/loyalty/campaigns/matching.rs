//! What of a purchase a campaign is for, and what that is worth; of one that came back in part, as of what remains of it.

use super::{BirthdayRule, CampaignRules, MatchedLines};
use crate::ids::CampaignId;
use crate::loyalty::programme::{Programme, Tier};
use crate::loyalty::sale::Sale;
use crate::money::Money;
use crate::purchase::{LineGivenBack, PurchaseLine};

/// A purchase, as far as it remains.
#[derive(Debug, Clone, Copy)]
pub(in crate::loyalty) struct Purchase<'a> {
    /// What was paid.
    pub(in crate::loyalty) total: Money,
    /// What of it has not been given back.
    pub(in crate::loyalty) remaining: Money,
    /// The lines of which something has.
    pub(in crate::loyalty) given_back: &'a [LineGivenBack],
}

/// What of a purchase is left to a campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Share {
    paid: Money,
    articles: i64,
}

impl CampaignRules {
    /// Whether it is for purchases of this kind at all.
    pub(in crate::loyalty) fn is_for(&self, campaign: CampaignId, sale: &Sale, tier: Tier) -> bool {
        let sold_there = || sale.channel.as_ref().is_some_and(|channel| self.channels.contains(channel));
        let has_birthday = |rule: &BirthdayRule| sale.buyer.has_birthday(campaign, rule.within_days, sale.on);
        (self.tiers.is_empty() || self.tiers.contains(&tier))
            && (self.channels.is_empty() || sold_there())
            && self.birthday.as_ref().is_none_or(has_birthday)
            && (self.segments.is_empty() || sale.buyer.is_of(campaign, &self.segments))
            && (!self.vip || sale.buyer.is_vip(campaign))
            && (!self.referred || sale.buyer.is_referred(campaign))
    }

    /// Whether it is for some articles only.
    pub(in crate::loyalty) const fn is_for_articles(&self) -> bool {
        !self.categories.is_empty() || !self.products.is_empty()
    }

    /// The lines that it is for; none where there is no such line, or only the total was told.
    pub(in crate::loyalty) fn lines_of(&self, sale: &Sale) -> Option<MatchedLines> {
        let numbered = (0..).zip(&sale.lines).filter(|(_, line)| self.names(line));
        let (lines, matching): (Vec<u32>, Vec<&PurchaseLine>) = numbered.unzip();
        let articles =
            matching.iter().filter(|line| line.amount.minor() > 0).map(|line| u64::from(line.quantity)).sum();
        let price = priced(matching.into_iter(), sale.total)?;
        let price_of_all = priced(sale.lines.iter(), sale.total)?;
        (!lines.is_empty()).then_some(MatchedLines { lines, articles, price, price_of_all })
    }

    fn names(&self, line: &PurchaseLine) -> bool {
        self.products.contains(&line.sku)
            || line.category.as_ref().is_some_and(|category| self.categories.contains(category))
    }

    /// Whether enough was paid for a purchase, or for its matching lines.
    pub(in crate::loyalty) fn is_reached(&self, matched: Option<&MatchedLines>, purchase: Purchase<'_>) -> bool {
        self.is_enough(purchase.share(matched).paid)
    }

    fn is_enough(&self, paid: Money) -> bool {
        paid.minor() > 0 && paid.whole_units() >= self.minimum_amount.unwrap_or(0)
    }

    /// The points for a purchase, or for its matching lines, by the rules and the multiplier that it earned by. Nothing for what was free.
    pub(in crate::loyalty) fn points(
        &self,
        matched: Option<&MatchedLines>,
        purchase: Purchase<'_>,
        (programme, multiplier_percent): (&Programme, i64),
    ) -> i64 {
        let Share { paid, articles } = purchase.share(matched);
        if !self.is_enough(paid) {
            return 0;
        }
        let more = i128::from(self.multiplier_percent.unwrap_or(100).saturating_sub(100));
        let multiplied = i128::from(programme.base_points(paid)) * i128::from(multiplier_percent) * more / 10_000;
        let by_article = i128::from(self.points_per_article.unwrap_or(0)) * i128::from(articles);
        let points = multiplied + by_article + i128::from(self.bonus_points.unwrap_or(0));
        self.caps.of_order(i64::try_from(points).unwrap_or(i64::MAX))
    }
}

impl Purchase<'_> {
    /// All of it, or what remains of some lines. What lowered the price of the whole purchase lowers theirs in proportion, and so does what
    /// was given back beside lines.
    fn share(&self, matched: Option<&MatchedLines>) -> Share {
        let Some(matched) = matched else { return Share { paid: self.remaining, articles: 0 } };
        let (total, remaining) = (i128::from(self.total.minor()), i128::from(self.remaining.minor()));
        let whole = i128::from(matched.price_of_all.minor());
        let paid = |price: i128| if whole > total { price * total / whole } else { price };
        let came_back = |line: &&LineGivenBack| matched.lines.contains(&line.line);
        let price = i128::from(matched.price.minor()) - self.price_of(came_back);
        // What would remain, had nothing come back but by lines.
        let by_lines = total - paid(self.price_of(|_| true));
        let of_what_remains = |all: i128| if by_lines > remaining { all * remaining.max(0) / by_lines } else { all };
        let left = of_what_remains(paid(price).clamp(0, total)).min(remaining);
        let came_back = self.given_back.iter().filter(came_back).filter(|line| line.minor > 0);
        let articles = matched.articles.saturating_sub(came_back.map(|line| u64::from(line.quantity)).sum());
        let articles = of_what_remains(articles.into());
        let paid = i64::try_from(left).ok().and_then(|minor| Money::from_minor(minor, self.total.currency()).ok());
        Share {
            paid: paid.unwrap_or(Money::zero(self.total.currency())),
            articles: i64::try_from(articles).unwrap_or(i64::MAX),
        }
    }

    fn price_of(&self, counts: impl Fn(&&LineGivenBack) -> bool) -> i128 {
        self.given_back.iter().filter(counts).map(|line| i128::from(line.minor)).sum()
    }
}

/// What lines cost; none when that is no amount of money, or not in the currency of the total.
fn priced<'a>(lines: impl Iterator<Item = &'a PurchaseLine>, total: Money) -> Option<Money> {
    let mut price = Money::zero(total.currency());
    for line in lines {
        price = price.checked_add(line.amount).ok()?;
    }
    Some(price)
}
