select b.account, b.tenant, b.currency, b.available, b.pending, b.held, b.lifetime_earned, b.redeemed, b.expired,
       b.reversed, b.transferred_in, b.transferred_out, b.earned_last_12_months, b.earned_reference_on, b.tier,
       b.enrolled_on, b.lots, b.holds, b.next_lapse_at, b.next_expiry_on, b.expired_until, b.review_on,
       b.closed_on, b.merged_into, b.adjusted, b.returned, b.pending_points, b.next_vest_on, b.stamp_cards, b.rewards,
       b.updated_at, b.position, b.version
