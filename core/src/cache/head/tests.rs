//! Every page that a head gives is, byte for byte, what serialising the page would have given; and no payload, however damaged,
//! does harm.

use std::io::Read as _;

use echoes_shared::{Emotion, IdempotencyKey, NewEcho, Region};
use proptest::prelude::*;
use serde::Serialize;

use super::*;
use crate::cache::One;
use crate::samples::{EPOCH_MILLIS, content};

/// The body of a list as the contract has it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct List<'a> {
    echoes: &'a [Echo],
    #[serde(skip_serializing_if = "Option::is_none")]
    next_cursor: Option<String>,
}

const FEED: Key = Key::Feed(Emotion::Happy);

fn sign(position: EchoId) -> String {
    format!("k1.{position}-_")
}

fn echo(n: u64, transcript: String, days_to_live: Option<u16>) -> Echo {
    let tags = Some(vec!["rain".to_owned()]);
    let content = NewEcho { tags, transcript: Some(transcript), days_to_live, ..content(Emotion::Happy) };
    let user = format!("auth0|ana:{n}.b@c-d_e").parse().unwrap();
    let key = IdempotencyKey::mint(Timestamp::from_millis(EPOCH_MILLIS + n), &[7; 10]);
    Echo::create(user, key, content, Region::EuWest1)
}

fn echoes(count: u64) -> Vec<Echo> {
    (0..count).rev().map(|n| echo(n, format!("{n} says \"\\ {}\n\u{1f600}\"", "x".repeat(40)), None)).collect()
}

fn joined(cut: &Cut) -> Vec<u8> {
    [&cut.head[..], &cut.tail[..]].concat()
}

fn assert_every_page(head: &Head, echoes: &[Echo], next: Option<EchoId>) {
    for limit in 1..=100_u8 {
        let count = echoes.len().min(limit.into());
        let after = if count < echoes.len() { Some(echoes[count - 1].echo_id) } else { next };
        let page = serde_json::to_vec(&List { echoes: &echoes[..count], next_cursor: after.map(sign) }).unwrap();
        let cut = head.cut(limit, sign);
        assert_eq!(joined(&cut), page, "{limit} of {}", echoes.len());
        assert_eq!((cut.body_bytes(), &cut.etag), (page.len(), &weak_tag(&[&page])));
        assert!(Arc::ptr_eq(&cut, &head.cut(limit, |_| unreachable!("it is remembered"))));
        assert!(cut.head.is_empty() || head.body.as_ptr() == cut.head.as_ptr(), "copied");
    }
}

#[test]
fn a_tag_is_what_it_always_was() {
    let tag = weak_tag(&[br#"{"echoes":["#, b"]}"]);
    assert_eq!(tag.to_str().unwrap().len(), 4 + 24);
    assert_eq!(tag, weak_tag(&[br#"{"echoes":[]}"#]));
}

#[test]
fn pages_hold_what_fits() {
    let all = echoes(9);
    let head = Head::new(&FEED, &all, None);
    let bytes: Vec<usize> = all.iter().map(|echo| serde_json::to_vec(echo).unwrap().len() + 1).collect();
    let total: usize = bytes.iter().sum();
    for (max_bytes, limit, count) in
        [(total, 100, 9), (total - 1, 100, 8), (bytes[0] + 5, 9, 1), (0, 9, 1), (total, 3, 3)]
    {
        let cut = head.cut_within(limit, max_bytes, sign);
        assert_eq!(joined(&cut), joined(&head.cut(count, sign)), "{max_bytes}");
    }
    let none = Head::new(&FEED, &[], None);
    assert_eq!(joined(&none.cut_within(5, 0, sign)), br#"{"echoes":[]}"#);
}

#[test]
fn an_item_dies_with_its_ttl_and_in_the_recent_list_with_its_ninetieth_day() {
    let (long, short) = (echo(2, String::new(), Some(200)), echo(1, String::new(), Some(1)));
    let both = [long.clone(), short.clone()];
    let feed = Head::new(&FEED, &both, None);
    let end = short.ttl.unwrap() * 1_000;
    assert_eq!(feed.expires_at(), Some(Timestamp::from_millis(end)));
    assert!(feed.without_expired(Timestamp::from_millis(end - 1)).is_none());
    let rest = feed.without_expired(Timestamp::from_millis(end)).unwrap();
    assert_every_page(&rest, &both[..1], None);
    assert!(rest.without_expired(Timestamp::from_millis(end)).is_none());

    let recent = Head::new(&Key::Recent, &both[..1], None);
    let left = echoes_shared::keys::recent_horizon(recent.expires_at().unwrap().plus_millis(1_000));
    assert!(long.timestamp < left && long.timestamp.plus_millis(1_000) >= left);
    assert_eq!(Head::new(&FEED, &echoes(3), None).expires_at(), None);
}

#[test]
fn a_gzip_form_is_made_once_and_is_the_page() {
    let head = Head::new(&FEED, &echoes(100), None);
    let weight = head.weight_bytes();
    assert!(head.cut(1, sign).gzip().is_none(), "too short");
    for limit in [20, 100] {
        let cut = head.cut(limit, sign);
        let form = cut.gzip().unwrap();
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(&form[..]).read_to_end(&mut plain).unwrap();
        assert_eq!(plain, joined(&cut));
        assert_eq!(cut.gzip().unwrap().as_ptr(), form.as_ptr());
    }
    let kept: usize = (1..=100).filter_map(|limit| Some(head.cut(limit, sign).gzip()?.len())).sum();
    assert!(kept <= head.body.len() && head.weight_bytes() == weight);
}

#[test]
fn one_echo_comes_back_from_its_payload() {
    for echo in [echo(1, "é\"\\".to_owned(), Some(3)), echo(2, String::new(), None)] {
        let one = One::new(&echo);
        let back = One::decode(one.encode()).unwrap();
        assert_eq!((&back.body, &back.etag, &back.user, back.id), (&one.body, &one.etag, &one.user, one.id));
        assert_eq!((back.expires_at, one.etag.to_str().unwrap()), (one.expires_at, echo.etag().as_str()));
        assert_eq!(one.expires_at.map(Timestamp::epoch_seconds), echo.ttl);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn every_page_is_its_serialisation(texts in prop::collection::vec(".{0,30}", 0..100), goes_on: bool) {
        let all: Vec<Echo> = texts.into_iter().enumerate().map(|(n, text)| echo(n as u64, text, None)).collect();
        let next = goes_on.then(|| echo(5_000, String::new(), None).echo_id);
        let head = Head::new(&FEED, &all, next);
        assert_every_page(&head, &all, next);
        let payload = head.encode();
        let back = Head::decode(payload.clone()).unwrap();
        prop_assert!(payload.as_ptr_range().contains(&back.body.as_ptr()));
        assert_every_page(&back, &all, next);
        prop_assert!(back.items.iter().zip(&all).all(|(item, echo)| back.user(&item) == echo.user_id.as_str()));
        prop_assert_eq!(back.items, head.items);
    }

    #[test]
    fn what_is_hidden_is_not_shown(hidden in prop::collection::vec(any::<bool>(), 0..40), goes_on: bool) {
        let all = echoes(hidden.len() as u64);
        let next = goes_on.then(|| all.last().map(|echo| echo.echo_id)).flatten();
        let head = Head::new(&FEED, &all, next);
        let shown: Vec<Echo> = all.iter().zip(&hidden).filter(|(_, hidden)| !**hidden).map(|(echo, _)| echo.clone()).collect();
        let hides = |user: &str, id| !shown.iter().any(|echo| echo.echo_id == id && echo.user_id.as_str() == user);
        match head.without(hides) {
            Some(rest) => assert_every_page(&rest, &shown, next),
            None => prop_assert!(!hidden.contains(&true)),
        }
    }

    #[test]
    fn a_damaged_payload_does_no_harm(count in 0..6_u64, at: prop::sample::Index, bit in 0..8_u8, cut: bool, goes_on: bool) {
        let all = echoes(count);
        let next = goes_on.then(|| echo(5_000, String::new(), None).echo_id);
        for payload in [Head::new(&FEED, &all, next).encode(), One::new(&echo(3, "a".to_owned(), None)).encode()] {
            let mut bytes = payload.to_vec();
            let at = at.index(bytes.len());
            if cut {
                bytes.truncate(at);
            } else {
                bytes[at] ^= 1 << bit;
            }
            let _ = One::decode(bytes.clone().into());
            if let Some(head) = Head::decode(bytes.into()) {
                for limit in 1..=100 {
                    prop_assert!(head.cut(limit, sign).head.starts_with(OPENING));
                }
                prop_assert!(head.each().count() == head.ids().count());
                prop_assert!(head.without(|_, _| true).is_some() == (head.ids().count() > 0));
            }
        }
    }
}
