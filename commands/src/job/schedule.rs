//! When a job is to run, where a tenant is.
//!
//! There are two forms of it, told to people as cron patterns. A library of cron patterns would bring ten packages for them.

use chrono::{DateTime, Days, DurationRound, NaiveDate, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use std::fmt;

/// When a job is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// At the beginning of each minute.
    EachMinute,
    /// Once a day, so many minutes after midnight where the tenant is.
    Daily {
        /// From 0 to 1439.
        minute: u32,
    },
}

/// Clocks skip an hour at a change to summer time, and once a day when a country crossed the date line.
const SKIPPED_QUARTERS_MAX: i64 = 24 * 4;

impl Schedule {
    /// The latest of its moments that has come.
    pub(crate) fn latest(self, zone: Tz, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::EachMinute => now.duration_trunc(TimeDelta::minutes(1)).ok(),
            Self::Daily { minute } => {
                let today = now.with_timezone(&zone).date_naive();
                let days = [Some(today), today.checked_sub_days(Days::new(1))];
                days.into_iter().flatten().filter_map(|day| moment(day, minute, zone)).find(|moment| *moment <= now)
            }
        }
    }

    /// The first of its moments that is to come.
    pub(super) fn next(self, zone: Tz, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self {
            Self::EachMinute => self.latest(zone, now).map(|latest| latest + TimeDelta::minutes(1)),
            Self::Daily { minute } => {
                let today = now.with_timezone(&zone).date_naive();
                let days = [Some(today), today.checked_add_days(Days::new(1))];
                days.into_iter().flatten().filter_map(|day| moment(day, minute, zone)).find(|moment| *moment > now)
            }
        }
    }
}

/// A minute of a day in a time zone. One that the clocks skip is made up for when they have moved; of one that comes twice,
/// the first counts.
fn moment(day: NaiveDate, minute: u32, zone: Tz) -> Option<DateTime<Utc>> {
    let local = day.and_time(NaiveTime::MIN) + TimeDelta::minutes(minute.into());
    let quarters = (0..=SKIPPED_QUARTERS_MAX).map(|quarters| local + TimeDelta::minutes(15 * quarters));
    let mut moments = quarters.filter_map(|local| local.and_local_timezone(zone).earliest());
    moments.next().map(|moment| moment.with_timezone(&Utc))
}

/// As a cron pattern.
impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EachMinute => f.write_str("* * * * *"),
            Self::Daily { minute } => write!(f, "{} {} * * *", minute % 60, minute / 60),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Schedule;
    use crate::job::jobs;
    use chrono::{DateTime, Utc};
    use chrono_tz::Tz;

    const FIVE_PAST: Schedule = Schedule::Daily { minute: 5 };

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_begins_where_the_tenant_is() {
        let now = at("2026-11-26T12:00:00Z");
        assert_eq!(FIVE_PAST.latest(Tz::UTC, now), Some(at("2026-11-26T00:05:00Z")));
        assert_eq!(FIVE_PAST.next(Tz::UTC, now), Some(at("2026-11-27T00:05:00Z")));
        assert_eq!(FIVE_PAST.latest(Tz::Asia__Tokyo, now), Some(at("2026-11-25T15:05:00Z")));
        assert_eq!(FIVE_PAST.next(Tz::Asia__Tokyo, now), Some(at("2026-11-26T15:05:00Z")));
    }

    #[test]
    fn a_moment_has_come_when_it_is_there() {
        let moment = at("2026-11-26T00:05:00Z");
        assert_eq!(FIVE_PAST.latest(Tz::UTC, moment), Some(moment));
        assert_eq!(FIVE_PAST.next(Tz::UTC, moment), Some(at("2026-11-27T00:05:00Z")));
        assert_eq!(FIVE_PAST.latest(Tz::UTC, at("2026-11-26T00:04:59Z")), Some(at("2026-11-25T00:05:00Z")));
    }

    #[test]
    fn a_day_on_which_the_clocks_change_has_its_one_moment() {
        // In São Paulo the day began at one o'clock then.
        let sao_paulo = FIVE_PAST.latest(Tz::America__Sao_Paulo, at("2018-11-04T12:00:00Z"));
        assert_eq!(sao_paulo, Some(at("2018-11-04T03:05:00Z")));
        let half_past_two = Schedule::Daily { minute: 150 };
        let autumn = |now| half_past_two.latest(Tz::Europe__Madrid, at(now));
        assert_eq!(autumn("2026-10-25T00:40:00Z"), Some(at("2026-10-25T00:30:00Z")));
        assert_eq!(
            autumn("2026-10-25T12:00:00Z"),
            Some(at("2026-10-25T00:30:00Z")),
            "half past two comes twice that day"
        );
    }

    #[test]
    fn each_minute_begins_with_its_first_second() {
        let minute = Schedule::EachMinute;
        assert_eq!(minute.latest(Tz::UTC, at("2026-11-26T12:00:59.9Z")), Some(at("2026-11-26T12:00:00Z")));
        assert_eq!(minute.next(Tz::UTC, at("2026-11-26T12:00:59.9Z")), Some(at("2026-11-26T12:01:00Z")));
    }

    #[test]
    fn a_schedule_is_told_as_a_cron_pattern() {
        assert_eq!(FIVE_PAST.to_string(), "5 0 * * *");
        assert_eq!(Schedule::Daily { minute: 150 }.to_string(), "30 2 * * *");
        assert_eq!(Schedule::EachMinute.to_string(), "* * * * *");
    }

    #[test]
    fn a_job_acts_under_its_name() {
        for job in jobs() {
            assert_eq!(job.actor, format!("job:{}", job.name));
        }
    }
}
