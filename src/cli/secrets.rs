//! Secret keys in this process, and what they are protected from.

use std::path::Path;

use anyhow::Result;
use fhec_ckks::keys::SecretKey;
use fhec_runtime::client::{self, Client};
use fhec_runtime::files::KeySetId;
use fhec_runtime::key_folder::check_siblings;

use super::Context;

/// Keeps the process' memory out of files: if it crashes there is no core dump, and other processes of the same user do not
/// read it. For processes that are to hold a secret key, before they do.
pub(crate) fn protect() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        // Fails on no system that has it; there would be nothing to do about it.
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    }
    // A limit does not hold for dumps that go to a program.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// Reads a secret key, whose file should be its owner's only and of the set of the keys beside it.
///
/// # Errors
/// As [`client::read_secret_key`] and [`check_siblings`].
pub(crate) fn read_key(path: &Path, client: &Client, context: &Context) -> Result<(SecretKey, KeySetId)> {
    protect();
    let (secret, set) = client::read_secret_key(path, client.parameters())?;
    check_siblings(path, set)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path).map_or(0, |m| m.permissions().mode());
        if mode & 0o077 != 0 {
            let file = path.display();
            context.remark(format!(
                "{file}: others can read this secret key; `chmod 600 {file}` keeps it yours"
            ));
        }
    }
    #[cfg(not(unix))]
    let _ = context;
    Ok((secret, set))
}
