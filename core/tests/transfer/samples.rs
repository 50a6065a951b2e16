//! Echoes of every kind, the same for one seed.

use std::fmt::Write as _;

use echoes_core::clock;
use echoes_shared::{Echo, Emotion, IdempotencyKey, Location, NewEcho, Region, Timestamp, UserId};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

const TRANSCRIPTS: &[&str] =
    &["", "hello", "привет, мир", "雨の音", "\"quoted\"\\ \u{1}\ttab", "👋🏽 née\u{301}", "{}\u{2028}"];
const MILLIS_PER_DAY: u64 = 86_400_000;

/// Living echoes, spread over more than the last ninety days: edited ones, ones that expire, all fields in all mixtures.
pub fn echoes(seed: u64, count: usize) -> Vec<Echo> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let now = clock::now();
    (0..count).map(|_| echo(&mut random, now)).collect()
}

/// As lines.
pub fn lines(echoes: &[Echo]) -> String {
    let mut text = String::new();
    for echo in echoes {
        writeln!(text, "{}", serde_json::to_string(echo).unwrap()).unwrap();
    }
    text
}

fn echo(random: &mut ChaCha8Rng, now: Timestamp) -> Echo {
    let mut below = |bound: u64| random.next_u64() % bound;
    let at = now.minus_millis(below(120 * MILLIS_PER_DAY));
    let user: UserId = format!("person-{}", below(20)).parse().unwrap();
    let days_to_live = (below(4) == 0).then(|| 121 + below(1_000) as u16);
    let mut degrees = |limit: f64| (below(1 << 53) as f64 / (1_u64 << 52) as f64 - 1.0) * limit;
    let location = Location::new(degrees(90.0), degrees(180.0));
    let tags = (0..below(4)).map(|_| TRANSCRIPTS[1 + below(3) as usize].to_owned()).collect();
    let content = NewEcho {
        emotion: Emotion::ALL[below(Emotion::ALL.len() as u64) as usize],
        s3_url: (below(2) == 0).then(|| format!("s3://echoes-audio/audio/{user}/a.opus")),
        location: location.filter(|_| below(2) == 0),
        tags: (below(2) == 0).then_some(tags),
        transcript: (below(3) > 0).then(|| TRANSCRIPTS[below(TRANSCRIPTS.len() as u64) as usize].to_owned()),
        detected_mood: (below(3) == 0).then(|| "joyful".to_owned()),
        metadata: (below(3) == 0).then(|| [("dévice".to_owned(), "phone".to_owned())].into()),
        days_to_live,
    };
    let region = Region::ALL[below(Region::ALL.len() as u64) as usize];
    let edited = below(5) == 0;
    let mut bits = [0; 10];
    random.fill_bytes(&mut bits);
    let mut echo = Echo::create(user, IdempotencyKey::mint(at, &bits), content, region);
    if edited {
        echo.version = 3;
        echo.updated_at = at.plus_millis(5_001);
        echo.transcript = Some("edited".to_owned());
    }
    echo
}
