//! What `GET /v1/timelines` asks for.

use std::collections::BTreeSet;

use percent_encoding::utf8_percent_encode;

use super::faults::Faults;
use super::{ListQuery, limit};
use crate::id::UserId;
use crate::policy::{DEFAULT_LIMIT, MAX_TIMELINE_PEOPLE};
use crate::problem::Problem;
use crate::wire::SEGMENT;

/// What the query of `GET /v1/timelines` asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimelinesQuery {
    /// The people, 1–50, none twice, in the order asked.
    pub users: Vec<UserId>,
    /// Echoes of each, 1–100.
    pub limit: u8,
}

impl TimelinesQuery {
    /// Reads `users` and `limit`.
    pub fn parse(query: Option<&str>) -> Result<Self, Problem> {
        let (mut asked, mut limited) = (None, None);
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            let twice = match &*name {
                "users" => asked.replace(people(&value)).is_some(),
                "limit" => limited.replace(limit(&value)).is_some(),
                _ => continue,
            };
            if twice {
                return Err(Problem::invalid_field(name.into_owned(), "may be given once"));
            }
        }
        let mut faults = Faults::default();
        let users = faults.take("users", asked.or_else(|| Some(Err("is required".to_owned()))));
        let limit = faults.take("limit", limited.or(Some(Ok(DEFAULT_LIMIT))));
        match (users, limit) {
            (Some(users), Some(limit)) => Ok(Self { users, limit }),
            _ => Err(faults.problem()),
        }
    }

    /// The query of each person's own timeline.
    pub fn each(&self) -> ListQuery {
        ListQuery { limit: self.limit, ..ListQuery::default() }
    }

    /// The query in its one canonical spelling, escaped as signing wants it.
    pub fn canonical(&self) -> String {
        let users: Vec<_> = self.users.iter().map(UserId::as_str).collect();
        format!("limit={}&users={}", self.limit, utf8_percent_encode(&users.join(","), SEGMENT))
    }
}

fn people(value: &str) -> Result<Vec<UserId>, String> {
    if value.split(',').count() > MAX_TIMELINE_PEOPLE {
        return Err(format!("must be 1 to {MAX_TIMELINE_PEOPLE} people"));
    }
    let mut seen = BTreeSet::new();
    let person = |name: &str| {
        let user: UserId = name.parse().map_err(|error: crate::id::InvalidId| format!("each {error}"))?;
        if seen.insert(user.clone()) { Ok(user) } else { Err(format!("must not name {user} twice")) }
    };
    value.split(',').map(person).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{MAX_TIMELINES_TARGET_BYTES, MAX_USER_ID_CHARS};
    use crate::wire::{check_target_size, pattern};
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn names(count: usize, chars: usize) -> Vec<String> {
        (0..count).map(|n| format!("{n:|>chars$}")).collect()
    }

    #[test]
    fn people_are_read_in_the_order_asked() {
        let query = TimelinesQuery::parse(Some("x=1&users=ben,auth0%7C5%2Cana&limit=5&x=2")).unwrap();
        assert_eq!(query.users.iter().map(UserId::as_str).collect::<Vec<_>>(), ["ben", "auth0|5", "ana"]);
        assert_eq!(query.each().limit, 5);
        assert_eq!(query.canonical(), "limit=5&users=ben%2Cauth0%7C5%2Cana");
        assert_eq!(TimelinesQuery::parse(Some(&query.canonical())).unwrap(), query);
    }

    #[test]
    fn faults_name_the_parameter() {
        let many = |count| format!("users={}", names(count, 3).join(","));
        assert!(TimelinesQuery::parse(Some(&many(50))).is_ok());
        for (query, fields) in [
            ("", &["users"][..]),
            ("users=", &["users"]),
            ("users=ana,", &["users"]),
            ("users=ana,me", &["users"]),
            ("users=ana,ben,ana", &["users"]),
            ("users=ana&users=ben", &["users"]),
            ("users=a%23b", &["users"]),
            (&many(51), &["users"]),
            ("users=ana&limit=101", &["limit"]),
            ("users=ana&limit=5&limit=5", &["limit"]),
            ("limit=0", &["users", "limit"]),
        ] {
            let problem = TimelinesQuery::parse(Some(query)).unwrap_err();
            assert_eq!(problem.errors.iter().map(|e| &*e.field).collect::<Vec<_>>(), fields, "{query}");
        }
    }

    #[test]
    fn as_many_names_as_may_be_fit_into_a_path() {
        let longest = TimelinesQuery {
            users: names(MAX_TIMELINE_PEOPLE, MAX_USER_ID_CHARS).iter().map(|name| name.parse().unwrap()).collect(),
            limit: 100,
        };
        let target = format!("{}?{}", pattern::TIMELINES, longest.canonical());
        assert!(check_target_size(&target).is_ok(), "{}", target.len());
        assert!(check_target_size(&format!("{target}{}", "x".repeat(MAX_TIMELINES_TARGET_BYTES))).is_err());
    }
}
