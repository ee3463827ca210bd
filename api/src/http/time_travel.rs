//! Time travel: queries with `as_of`, `as_recorded_at` or `at_version` are answered from events.

use crate::Api;
use crate::bounds::Place;
use crate::headers::MinPosition;
use crate::http::lists::wrong;
use crate::http::wait_for_log;
use crate::http::wire::When;
use crate::openapi::schemas;
use crate::problem::{self, Problem};
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use commands::Caller;
use projections::time_travel::Until;
use serde::Deserialize;
use store::{Position, Version};
use utoipa::IntoParams;

/// The parameters of a query that can go back in time.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Asked {
    /// As it was at this time; a day is there as a whole.
    #[param(value_type = Option<schemas::When>)]
    as_of: Option<String>,
    /// As it was known at this time.
    #[param(value_type = Option<schemas::When>)]
    as_recorded_at: Option<String>,
    /// As it was when its stream had this version.
    #[param(value_type = Option<i32>, minimum = 1, example = 1)]
    at_version: Option<Version>,
}

/// The precision of times in the log.
const MICROSECOND: TimeDelta = TimeDelta::microseconds(1);

/// A point in the past.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Past {
    pub(crate) until: Until,
    /// The business date there, when a time was asked for.
    date: Option<NaiveDate>,
}

impl Asked {
    /// The point asked for; none means now.
    pub(crate) fn read(&self, caller: &Caller) -> Result<Option<Past>, Problem> {
        let occurred = self.as_of.as_deref().map(|text| Moment::read("as_of", text, caller)).transpose()?;
        let recorded = self.as_recorded_at.as_deref();
        let recorded = recorded.map(|text| Moment::read("as_recorded_at", text, caller)).transpose()?;
        let date = occurred.or(recorded).map(|moment| moment.date);
        let until = Until {
            version: self.at_version,
            recorded_before: recorded.map(|moment| moment.end),
            occurred_before: occurred.map(|moment| moment.end),
        };
        match self.at_version {
            Some(..=0) => Err(wrong("at_version", "a version is a whole number from 1")),
            Some(_) if date.is_some() => Err(wrong("at_version", "a version and a time cannot both be asked for")),
            None if date.is_none() => Ok(None),
            Some(_) | None => Ok(Some(Past { until, date })),
        }
    }
}

impl Past {
    /// The last moment that is included, with its business date; of a version the moment when it came about.
    pub(crate) fn moment(&self, caller: &Caller, came_about_at: DateTime<Utc>) -> domain::Moment {
        let before = self.until.occurred_before.or(self.until.recorded_before);
        let asked = before.map(|end| (end - MICROSECOND).min(caller.now));
        let then = caller.moment(asked.unwrap_or(came_about_at));
        domain::Moment { today: self.date.unwrap_or(then.today), ..then }
    }
}

/// A moment or day that is over or under way.
#[derive(Debug, Clone, Copy)]
struct Moment {
    /// What is at or after this comes later.
    end: DateTime<Utc>,
    date: NaiveDate,
}

impl Moment {
    fn read(name: &str, text: &str, caller: &Caller) -> Result<Self, Problem> {
        let when = When::parse(text);
        let when = when.ok_or_else(|| wrong(name, "must be a time of RFC 3339 or a date such as 2026-03-01"))?;
        let (begins, end) = match when {
            // Times have microseconds: what happened at this one is included.
            When::At(time) => (time, time + MICROSECOND),
            When::On(_) => (when.moment(caller), when.end(caller)),
        };
        if begins > caller.now {
            let place = problem::Place::Parameter(name.to_owned());
            return Err(Problem::bad_parameter(place, "in_the_future", "nobody knows yet what will be then"));
        }
        Ok(Self { end, date: caller.business_date(begins) })
    }
}

/// What an answer from events reflects: all of the log, whose end is told. The place is held until the events are read.
pub(crate) async fn reflected(
    api: &Api,
    caller: &Caller,
    min_position: MinPosition,
) -> Result<(Position, Place), Problem> {
    let place = api.bounds().histories.take(&caller.actor).await?;
    wait_for_log(api, min_position).await?;
    Ok((api.store.head().await?, place))
}

#[cfg(test)]
mod tests {
    use super::{Asked, Past, Until};
    use chrono_tz::Tz;
    use commands::{Caller, Door};
    use domain::access::settings::TenantSettings;
    use store::TenantId;

    fn caller() -> Caller {
        Caller {
            tenant: TenantId(1),
            actor: "cli".to_owned(),
            scopes: vec![],
            now: "2026-03-01T12:00:00Z".parse().expect("a time"),
            zone: Tz::Europe__Madrid,
            settings: TenantSettings::default(),
            request_id: None,
            correlation_id: None,
            via: Door::Http,
        }
    }

    fn asked(
        as_of: Option<&str>,
        as_recorded_at: Option<&str>,
        at_version: Option<i32>,
    ) -> Result<Option<Past>, String> {
        let text = |text: Option<&str>| text.map(str::to_owned);
        let asked = Asked { as_of: text(as_of), as_recorded_at: text(as_recorded_at), at_version };
        asked.read(&caller()).map_err(|problem| problem.code().to_owned())
    }

    fn until(past: Result<Option<Past>, String>) -> (Until, Option<String>) {
        let past = past.expect("valid").expect("a point in the past");
        (past.until, past.date.map(|date| date.to_string()))
    }

    #[test]
    fn a_day_is_there_as_a_whole_and_a_moment_is_included() {
        let time = |text: &str| Some(text.parse().expect("a time"));
        let (day, date) = until(asked(Some("2026-02-09"), None, None));
        assert_eq!((day.occurred_before, date.as_deref()), (time("2026-02-09T23:00:00Z"), Some("2026-02-09")));
        let (moment, date) = until(asked(None, Some("2026-02-09T23:30:00Z"), None));
        let before = time("2026-02-09T23:30:00.000001Z");
        assert_eq!((moment.recorded_before, moment.occurred_before), (before, None));
        assert_eq!(date.as_deref(), Some("2026-02-10"), "the business date of the tenant");
        let (both, _) = until(asked(Some("2026-02-09"), Some("2026-02-20"), None));
        assert!(both.occurred_before.is_some() && both.recorded_before.is_some(), "what was known of then, later");
        assert_eq!(until(asked(None, None, Some(7))).0, Until { version: Some(7), ..Until::default() });
        assert_eq!(asked(None, None, None), Ok(None));
    }

    #[test]
    fn what_is_no_point_in_the_past_is_refused() {
        let refused = |code: &str| Err(code.to_owned());
        assert!(asked(Some("2026-03-01"), None, None).is_ok(), "today");
        assert_eq!(asked(Some("2026-03-02"), None, None), refused("in_the_future"));
        assert_eq!(asked(None, Some("2026-03-01T12:00:01Z"), None), refused("in_the_future"));
        for garbage in ["", "yesterday", "2026-02-30", "2026-02-09T25:00:00Z"] {
            assert_eq!(asked(Some(garbage), None, None), refused("invalid_parameter"), "{garbage}");
            assert_eq!(asked(None, Some(garbage), None), refused("invalid_parameter"), "{garbage}");
        }
        assert_eq!(asked(None, None, Some(0)), refused("invalid_parameter"));
        assert_eq!(asked(Some("2026-02-09"), None, Some(1)), refused("invalid_parameter"));
    }
}
