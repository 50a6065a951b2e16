//! The variables by which the `echoes` program speaks to a region, for its processes and as shell files.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Context as _;
use echoes_shared::Region;

use crate::host::variable;
use crate::layout::{
    ARCHIVE_BUCKET, AUDIO_BUCKET, AWS_ACCESS_KEY_ID, ECHOES_TABLE, EDGE_KEY_ID, LOCAL_TABLE, OPENSEARCH_PORT,
    OPS_TABLE, RegionPorts, S3_PORT, url,
};
use crate::secrets::{Secrets, write_private};

/// What a part inherits from the shell: enough to run and to be debugged, and nothing that could configure it.
const INHERITED: [&str; 7] = ["HOME", "LANG", "PATH", "RUST_BACKTRACE", "RUST_LOG", "TMPDIR", "TZ"];

/// The region's variables, in the order in which they are best read; `full` is `--full`.
pub(super) fn variables(region: Region, secrets: &Secrets, full: bool) -> Vec<(String, String)> {
    let ports = RegionPorts::of(region);
    let listen = |port: u16| format!("127.0.0.1:{port}");
    let mut pairs = vec![
        ("ECHOES_REGION", region.as_str().to_owned()),
        ("ECHOES_LISTEN", listen(ports.core)),
        ("ECHOES_ADMIN_LISTEN", listen(ports.admin)),
        ("ECHOES_TABLE", ECHOES_TABLE.to_owned()),
        ("ECHOES_OPS_TABLE", OPS_TABLE.to_owned()),
        ("ECHOES_LOCAL_TABLE", LOCAL_TABLE.to_owned()),
        ("ECHOES_EDGE_KEYS", format!("{EDGE_KEY_ID}:{}", secrets.edge_secret)),
        ("ECHOES_CURSOR_KEYS", format!("dev1:{}", secrets.cursor_secret)),
        ("ECHOES_AUDIO_BUCKET", AUDIO_BUCKET.to_owned()),
        ("ECHOES_ARCHIVE_BUCKET", ARCHIVE_BUCKET.to_owned()),
        ("AWS_ACCESS_KEY_ID", AWS_ACCESS_KEY_ID.to_owned()),
        ("AWS_SECRET_ACCESS_KEY", secrets.aws_secret.clone()),
        ("AWS_REGION", region.as_str().to_owned()),
        ("AWS_ENDPOINT_URL_DYNAMODB", url(ports.dynamodb)),
        ("AWS_ENDPOINT_URL_S3", url(S3_PORT)),
    ];
    if full {
        pairs.push(("ECHOES_REDIS_URL", ports.redis_url()));
        pairs.push(("ECHOES_MEMCACHED_SERVERS", ports.memcached_servers()));
        pairs.push(("ECHOES_OPENSEARCH_URL", url(OPENSEARCH_PORT)));
    }
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The whole environment of a core's process.
pub(super) fn process_environment(region: Region, secrets: &Secrets, full: bool) -> Vec<(String, String)> {
    inherited().into_iter().chain(variables(region, secrets, full)).collect()
}

/// Where a core keeps its search index, which goes with the rest of the data. Only the core itself is told: one process uses it.
pub(super) fn index_folder(state_dir: &Path, region: Region) -> (String, String) {
    let folder = state_dir.join("data").join("search").join(region.as_str());
    ("ECHOES_SEARCH_PATH".to_owned(), folder.display().to_string())
}

/// What every part inherits, and all that a server of another house gets.
pub(super) fn inherited() -> Vec<(String, String)> {
    INHERITED.iter().filter_map(|name| Some(((*name).to_owned(), variable(name)?))).collect()
}

/// Writes `env/<region>` in the state folder, one file a region, for `. .echoes/env/us-east-1`.
///
/// # Errors
/// When the folder does not take them.
pub(super) fn write_files(state_dir: &Path, secrets: &Secrets, full: bool) -> anyhow::Result<()> {
    let folder = state_dir.join("env");
    std::fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    for region in Region::ALL {
        let text = shell_file(&variables(region, secrets, full));
        write_private(&folder.join(region.as_str()), &text)?;
    }
    Ok(())
}

fn shell_file(variables: &[(String, String)]) -> String {
    let mut text = String::new();
    for (name, value) in variables {
        let quoted = value.replace('\'', r"'\''");
        // Writing to a string cannot fail.
        let _written = writeln!(text, "export {name}='{quoted}'");
    }
    text
}

#[cfg(test)]
mod tests {
    use echoes_shared::Region;

    use super::{shell_file, variables};
    use crate::secrets::Secrets;

    #[test]
    fn real_servers_are_named_only_where_they_run() {
        let secrets = Secrets::generate().unwrap();
        let named = |full| -> Vec<_> {
            let all = variables(Region::EuWest1, &secrets, full).into_iter();
            let real = |name: &str| ["REDIS", "MEMCACHED", "OPENSEARCH"].iter().any(|kind| name.contains(kind));
            all.filter(|(name, _)| real(name)).map(|(name, value)| format!("{name}={value}")).collect()
        };
        assert!(named(false).is_empty());
        assert_eq!(
            named(true),
            [
                "ECHOES_REDIS_URL=redis://127.0.0.1:6403",
                "ECHOES_MEMCACHED_SERVERS=127.0.0.1:11405,127.0.0.1:11406",
                "ECHOES_OPENSEARCH_URL=http://127.0.0.1:9201",
            ]
        );
    }

    #[test]
    fn a_shell_reads_any_value_back() {
        let text = shell_file(&[("A".to_owned(), "it's $HOME".to_owned())]);
        assert_eq!(text, "export A='it'\\''s $HOME'\n");
    }
}
