//! The scripts that run inside Redis, where nothing comes between their lines.

use std::fmt::Write as _;
use std::sync::LazyLock;

use ::redis::{Cmd, Pipeline};
use sha1::{Digest as _, Sha1};

/// A script and the name under which Redis remembers it.
#[derive(Debug)]
pub(super) struct Script {
    text: &'static str,
    hash: String,
}

/// One call of a script.
#[derive(Debug)]
pub(super) struct Call<'a> {
    pub script: &'a Script,
    pub keys: &'a [&'a str],
    pub arguments: &'a [&'a [u8]],
}

/// Makes the generations that are missing and tries the lease.
/// Keys: everything's generation, the key's generation, its lease. Arguments: 16 random bytes for each generation, the
/// lease's token, its milliseconds, a generation's milliseconds.
/// Answer: Redis's clock in milliseconds, both generations, 1 where the lease is taken, else 0 and what is left of the other's.
/// A generation is thirteen digits of Redis's clock when it was made, then the random bytes.
pub(super) static BEGIN: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local function generation(key, random)
  local held = redis.call('GET', key)
  if not held then
    held = string.format('%013d', now) .. random
    redis.call('SET', key, held, 'PX', ARGV[5])
  end
  return held
end
local everything = generation(KEYS[1], ARGV[1])
local own = generation(KEYS[2], ARGV[2])
if redis.call('SET', KEYS[3], ARGV[3], 'NX', 'PX', ARGV[4]) then
  return {now, everything, own, 1, 0}
end
return {now, everything, own, 0, redis.call('PTTL', KEYS[3])}",
    )
});

/// Keeps a value if the key's stamp is still the one under which it was loaded, and gives the lease back.
/// Keys: everything's generation, the key's generation, its value, its lease. Arguments: what is hashed before the
/// generations, the stamp in hexadecimal, the value, its milliseconds (0: do not keep it), a generation's milliseconds, the
/// lease's token or nothing, the channel and the message that frees those who wait.
/// Answer: 1 kept, 2 still the stamp but not kept, 0 another stamp; or the error with which the value was refused.
pub(super) static KEEP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local everything = redis.call('GET', KEYS[1])
local own = redis.call('GET', KEYS[2])
local outcome = 0
if everything and own and string.sub(redis.sha1hex(ARGV[1] .. everything .. own), 1, 32) == ARGV[2] then
  outcome = 2
  if ARGV[4] ~= '0' then
    local set = redis.pcall('SET', KEYS[3], ARGV[3], 'PX', ARGV[4])
    if set.err then
      outcome = set
    else
      outcome = 1
      redis.call('PEXPIRE', KEYS[1], ARGV[5])
      redis.call('PEXPIRE', KEYS[2], ARGV[5])
    end
  end
end
if ARGV[6] ~= '' and redis.call('GET', KEYS[4]) == ARGV[6] then
  redis.call('DEL', KEYS[4])
  redis.call('PUBLISH', ARGV[7], ARGV[8])
end
return outcome",
    )
});

/// Ends generations: makes the next ones at once, so that they are as old as the change; and publishes. The keys go first, which
/// a full Redis does too, and what loads find there instead of a generation that did not fit in is none.
/// Keys: the generations, then what goes with them. Arguments: how many generations, 16 random bytes, a generation's
/// milliseconds, then the channel and a message, or nothing.
pub(super) static END: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "for _, key in ipairs(KEYS) do
  redis.call('DEL', key)
end
local clock = redis.call('TIME')
local born = string.format('%013d', clock[1] * 1000 + math.floor(clock[2] / 1000))
for at = 1, tonumber(ARGV[1]) do
  redis.pcall('SET', KEYS[at], born .. ARGV[2], 'PX', ARGV[3])
end
if ARGV[4] then
  redis.call('PUBLISH', ARGV[4], ARGV[5])
end
return 1",
    )
});

/// Gives a lease back. Key: the lease. Arguments: its token, the channel and the message that frees those who wait.
pub(super) static GIVE_UP: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
  redis.call('PUBLISH', ARGV[2], ARGV[3])
end
return 1",
    )
});

/// Adds to this hour's hits. Key: what an hour's name begins with. Arguments: milliseconds to keep it, then names and hits.
pub(super) static POPULAR_ADD: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local hour = KEYS[1] .. string.format('%d', math.floor(redis.call('TIME')[1] / 3600))
for at = 2, #ARGV, 2 do
  redis.call('ZINCRBY', hour, ARGV[at + 1], ARGV[at])
end
redis.call('PEXPIRE', hour, ARGV[1])
return 1",
    )
});

/// The names with the most hits in this hour and in the last, each with its hits. Arguments: how many of each hour.
pub(super) static POPULAR: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local hour = math.floor(redis.call('TIME')[1] / 3600)
local function of(number)
  return redis.call('ZREVRANGE', KEYS[1] .. string.format('%d', number), 0, ARGV[1] - 1, 'WITHSCORES')
end
return {of(hour), of(hour - 1)}",
    )
});

impl Script {
    fn new(text: &'static str) -> Self {
        Self { text, hash: hexadecimal(&Sha1::digest(text)) }
    }
}

impl Call<'_> {
    /// The call by the script's name, which is short.
    pub(super) fn by_hash(&self) -> Pipeline {
        self.command("EVALSHA", &self.script.hash)
    }

    /// The call with the script's text, for a Redis that does not remember it.
    pub(super) fn by_text(&self) -> Pipeline {
        self.command("EVAL", self.script.text)
    }

    fn command(&self, name: &str, script: &str) -> Pipeline {
        let mut command = Cmd::new();
        command.arg(name).arg(script).arg(self.keys.len());
        for key in self.keys {
            command.arg(*key);
        }
        for argument in self.arguments {
            command.arg(*argument);
        }
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.add_command(command);
        pipeline
    }
}

/// Bytes as scripts compare them.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
