//! One more core of a region, beside the four.

use std::process::Command;
use std::time::Duration;

use echoes_shared::Region;

use crate::cores::Core;
use crate::process::Process;
use crate::programs::variables_of;
use crate::request::Request;
use crate::settings;
use crate::waiting::eventually;
use crate::world::World;

/// A core beside the region's own: it serves, and does no work. It ends, at the latest, when this is dropped.
#[derive(Debug)]
pub struct OneMore {
    /// Its process.
    pub process: Process,
    /// How it is called.
    pub core: Core,
}

impl OneMore {
    /// Starts one on `port` and the one a hundred above, and waits until it is ready.
    pub fn start(world: &World, region: Region, port: u16) -> Self {
        Self::start_with(world, region, port, &[])
    }

    /// The same with more variables.
    pub fn start_with(world: &World, region: Region, port: u16, variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(settings::core_program());
        command.arg("serve").env_clear().envs(variables_of(&world.state, region));
        command.env("ECHOES_LISTEN", format!("127.0.0.1:{port}")).env_remove("ECHOES_ADMIN_LISTEN");
        command.envs(variables.iter().copied());
        let mut process = Process::start(command);
        let base = |port: u16| format!("http://127.0.0.1:{port}");
        let core = Core { base: base(port), admin: base(port + 100), ..world.core(region) };
        eventually(Duration::from_secs(10), "one more core", || {
            assert!(process.ended().is_none(), "it ended: {}", process.last_lines(20));
            let response = Request::get("/readyz").try_send(&core.admin)?;
            if response.status == 200 { Ok(()) } else { Err(response.to_string()) }
        });
        Self { process, core }
    }
}
