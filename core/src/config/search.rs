//! Where the search index is.

use std::path::PathBuf;

use super::{ConfigError, Environment};

const FOLDER: &str = "ECHOES_SEARCH_PATH";

/// `ECHOES_SEARCH_PATH` (none: in memory, filled anew at every start): the folder of the index of a process that works and
/// serves by itself.
///
/// # Errors
/// An empty name.
pub fn search_folder(environment: &Environment<'_>) -> Result<Option<PathBuf>, ConfigError> {
    environment.optional_read(FOLDER, |path| match path.is_empty() {
        true => Err("must name a folder".to_owned()),
        false => Ok(PathBuf::from(path)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_a_name() {
        let read = |value: Option<&str>| {
            let look_up = |asked: &str| value.filter(|_| asked == FOLDER).map(str::to_owned);
            search_folder(&Environment::new(look_up))
        };
        assert_eq!(read(None).unwrap(), None);
        assert_eq!(read(Some("/var/lib/echoes")).unwrap(), Some(PathBuf::from("/var/lib/echoes")));
        assert_eq!(read(Some("")).unwrap_err().variable, FOLDER);
    }
}
