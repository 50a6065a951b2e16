//! The closed vocabulary of emotions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

macro_rules! vocabulary {
    ($($variant:ident $word:literal,)*) => {
        /// One emotion of the vocabulary (contract, *Bodies*). On the wire it is its lower-case word.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "lowercase")]
        pub enum Emotion {
            $(#[doc = $word] $variant,)*
        }

        impl Emotion {
            /// Every emotion, in the order of the contract.
            pub const ALL: &[Emotion] = &[$(Emotion::$variant,)*];

            /// The word on the wire and in keys.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Emotion::$variant => $word,)*
                }
            }
        }

        impl FromStr for Emotion {
            type Err = UnknownEmotion;

            fn from_str(word: &str) -> Result<Self, UnknownEmotion> {
                match word {
                    $($word => Ok(Emotion::$variant),)*
                    _ => Err(UnknownEmotion),
                }
            }
        }
    };
}

// A new emotion is one more line here.
vocabulary! {
    Happy "happy",
    Calm "calm",
    Excited "excited",
    Peaceful "peaceful",
    Energetic "energetic",
    Sad "sad",
    Angry "angry",
    Anxious "anxious",
    Grateful "grateful",
    Hopeful "hopeful",
    Lonely "lonely",
    Nostalgic "nostalgic",
    Loving "loving",
    Proud "proud",
    Surprised "surprised",
    Curious "curious",
    Amused "amused",
    Inspired "inspired",
    Bored "bored",
    Tired "tired",
    Melancholic "melancholic",
    Relieved "relieved",
    Confident "confident",
    Playful "playful",
}

/// A word that is not in the vocabulary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownEmotion;

impl fmt::Display for UnknownEmotion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be one of:")?;
        for emotion in Emotion::ALL {
            write!(f, " {emotion}")?;
        }
        Ok(())
    }
}

impl std::error::Error for UnknownEmotion {}

impl fmt::Display for Emotion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn every_word_reads_back_as_itself() {
        for &emotion in Emotion::ALL {
            assert_eq!(emotion.as_str().parse(), Ok(emotion));
            let json = serde_json::to_string(&emotion).unwrap();
            assert_eq!(json, format!("\"{emotion}\""));
        }
        assert_eq!(Emotion::ALL.len(), 24);
    }

    #[test]
    fn other_words_are_refused() {
        for word in ["", "Happy", "happy ", "happy#3", "joyful"] {
            assert_eq!(word.parse::<Emotion>(), Err(UnknownEmotion), "{word}");
        }
    }
}
