//! What becomes of points that a hold gives back: a rule that the account and those who show it share.

use crate::loyalty::events::LotPoints;

/// Held points, given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GivenBack {
    /// How many of them pay what is owed.
    pub paid_debt: i64,
    /// The lots to which the others go.
    pub returned: Vec<LotPoints>,
}

/// Pays what is owed first, with the points that were drawn first; the others go back to their lots.
pub fn give_back(held: &[LotPoints], debt: i64) -> GivenBack {
    let (mut owed, mut returned) = (debt.max(0), Vec::new());
    for drawn in held {
        let paid = owed.min(drawn.points);
        owed -= paid;
        if drawn.points > paid {
            returned.push(LotPoints { points: drawn.points - paid, ..*drawn });
        }
    }
    GivenBack { paid_debt: debt.max(0) - owed, returned }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lots(points: &[(u32, i64)]) -> Vec<LotPoints> {
        points.iter().map(|&(lot, points)| LotPoints { lot, points }).collect()
    }

    #[test]
    fn what_is_owed_is_paid_first_and_the_rest_goes_back() {
        let held = lots(&[(2, 150), (1, 50)]);
        let back = |debt| give_back(&held, debt);
        assert_eq!(back(0), GivenBack { paid_debt: 0, returned: held.clone() });
        assert_eq!(back(-7), back(0));
        assert_eq!(back(100), GivenBack { paid_debt: 100, returned: lots(&[(2, 50), (1, 50)]) });
        assert_eq!(back(150), GivenBack { paid_debt: 150, returned: lots(&[(1, 50)]) });
        assert_eq!(back(500), GivenBack { paid_debt: 200, returned: vec![] });
    }
}
