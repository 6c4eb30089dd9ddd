//! Holds what a link has said against what the server has written down.

use crate::owner::{Heard, Told};
use crate::server::Offered;
use crate::transport::{Age, POINTS, Reason};
use observation::{Observation, Quality, Value};
use std::collections::BTreeMap;

/// What is known of a transport.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) age: Age,
    pub(crate) once: Result<(), Reason>,
}

/// The count in an observation.
pub(crate) fn count(observation: &Observation) -> Option<u64> {
    match observation.value.as_ref()? {
        Value::Number(n) => n.to_string().parse().ok(),
        _ => None,
    }
}

/// Everything that must not be, in words.
pub(crate) fn faults(heard: &[Heard], offered: &Offered, terms: Terms) -> Vec<String> {
    let mut found = vec![];
    // The last good count of each point, and in which session it was.
    let mut last: BTreeMap<u32, (u64, usize)> = BTreeMap::new();
    for Heard { session, told } in heard {
        let observation = match told {
            Told::Observed(observation) => observation,
            Told::Over(error) if error.to_string().contains("panic") => {
                found.push(format!("session {session}: {error}"));
                continue;
            }
            Told::Over(_) => continue,
            Told::Panicked => {
                found.push(format!("session {session} panicked"));
                continue;
            }
        };
        let mut fault = |why: String| found.push(format!("session {session}: {why}: {observation:?}"));
        if let Quality::Bad(_) = observation.quality {
            if observation.value.is_some() {
                fault("bad, but with a value".to_owned());
            }
            continue;
        }
        let Some(value) = count(observation) else {
            fault("no count".to_owned());
            continue;
        };
        if let Err(why) = was_offered(observation, value, offered) {
            fault(why);
            continue;
        }
        if !observation.quality.is_good() {
            continue;
        }
        let point = observation.point.0;
        if let Some(before) = last.insert(point, (value, *session))
            && (value < before.0 || terms.once.is_ok() && (value, *session) == before)
        {
            fault(format!("{} was there before", before.0));
        }
        if let Some(why) = too_old(observation, value, offered, terms.age) {
            fault(why);
        }
    }
    found
}

/// To this point, and not after it was observed.
fn was_offered(observation: &Observation, value: u64, offered: &Offered) -> Result<(), String> {
    let (point, us) = offered.0.get(&value).ok_or_else(|| format!("{value} was never offered"))?;
    if *point != observation.point.0 {
        return Err(format!("{value} was offered by point {point}"));
    }
    let early = us.div_euclid(1000) - observation.agent_time.0;
    if early > 0 { Err(format!("{value} was offered {early} ms after its stamp")) } else { Ok(()) }
}

fn too_old(observation: &Observation, value: u64, offered: &Offered, age: Age) -> Option<String> {
    let mut since = offered.0.range(value..).filter(|(_, (point, _))| *point == observation.point.0);
    let (offer, limit) = match age {
        Age::SinceOffered(limit) => (since.next(), limit),
        Age::SinceReplaced(limit) => (since.nth(1), limit),
        Age::Unknown(_) => return None,
    };
    let (_, (_, us)) = offer?;
    let old = observation.agent_time.0 - us.div_euclid(1000);
    (old > limit).then(|| format!("{value} was {old} ms old"))
}

/// Counts that were offered to a point between two that were observed, and never observed.
pub(crate) fn missing(heard: &[Heard], offered: &Offered) -> Vec<u64> {
    let mut missing = vec![];
    for point in 0..POINTS {
        let good = heard.iter().filter_map(Heard::good).filter(|o| o.point.0 == point);
        let seen: Vec<u64> = good.filter_map(count).collect();
        if let (Some(first), Some(last)) = (seen.iter().min(), seen.iter().max()) {
            let between = offered.of(point).filter(|value| (first..=last).contains(&value));
            missing.extend(between.filter(|value| !seen.contains(value)));
        }
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;
    use observation::{Instant, Mono, PointId, Reason as Why, Utc};
    use protocols::LinkError;

    const TERMS: Terms = Terms { age: Age::SinceOffered(3000), once: Ok(()) };

    /// Ten counts to each of two points in turn, one every 100 ms from second 100 on.
    fn offered() -> Offered {
        Offered((0..20).map(|n| (u64::from(n), (n % 2, 100_000_000 + i64::from(n) * 100_000))).collect())
    }

    fn good(session: usize, point: u32, value: i64, ms: i64) -> Heard {
        let at = Instant { utc: Utc(ms), mono: Mono(0) };
        let value = Value::Number(observation::Decimal::from(value));
        Heard { session, told: Told::Observed(Observation::good(PointId(point), value, at)) }
    }

    #[track_caller]
    fn refused(heard: &[Heard], why: &str) {
        let found = faults(heard, &offered(), TERMS);
        assert!(found.len() == 1 && found[0].contains(why), "{found:#?}");
    }

    #[test]
    fn what_is_right_passes() {
        let heard = [good(0, 0, 2, 100_200), good(0, 1, 3, 100_300), good(0, 0, 4, 100_450)];
        assert_eq!(faults(&heard, &offered(), TERMS), Vec::<String>::new());
        assert_eq!(missing(&heard, &offered()), Vec::<u64>::new());
    }

    #[test]
    fn what_was_not_offered_or_not_yet_or_by_another_is_found() {
        refused(&[good(0, 0, 40, 101_000)], "never offered");
        refused(&[good(0, 0, 4, 100_399)], "1 ms after its stamp");
        refused(&[good(0, 1, 4, 100_400)], "by point 0");
    }

    #[test]
    fn pain_01_an_old_value_with_a_fresh_stamp_is_found() {
        refused(&[good(0, 0, 4, 100_400), good(1, 0, 2, 100_500)], "4 was there before");
        refused(&[good(0, 0, 4, 100_400), good(0, 0, 4, 100_500)], "4 was there before");
        refused(&[good(0, 0, 4, 103_401)], "3001 ms old");
        let replaced = Terms { age: Age::SinceReplaced(3000), ..TERMS };
        assert_eq!(faults(&[good(0, 0, 4, 103_600)], &offered(), replaced).len(), 0);
        assert_eq!(faults(&[good(0, 0, 4, 103_601)], &offered(), replaced).len(), 1);
        // The same once more is a new session's first value, unless each is new by itself.
        let again = [good(0, 0, 4, 100_400), good(1, 0, 4, 100_500)];
        assert_eq!(faults(&again, &offered(), TERMS).len(), 0);
    }

    #[test]
    fn a_value_that_is_bad_and_a_panic_are_found() {
        let mut bad = good(0, 0, 4, 100_400);
        let Told::Observed(o) = &mut bad.told else { unreachable!() };
        o.quality = Quality::Bad(Why::Timeout);
        refused(&[bad], "bad, but with a value");
        refused(&[Heard { session: 3, told: Told::Panicked }], "session 3 panicked");
        let detail = "its session ended by a panic".to_owned();
        let error = LinkError::Broken { address: "tcp://a".to_owned(), detail };
        refused(&[Heard { session: 0, told: Told::Over(error) }], "panic");
    }

    #[test]
    fn what_is_missing_in_between_is_found() {
        assert_eq!(missing(&[good(0, 0, 2, 100_200), good(0, 0, 8, 100_800)], &offered()), [4, 6]);
    }
}
