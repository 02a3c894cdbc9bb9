//! What faults need of the machine: file systems of their own, programs that inject errors. Where the machine does not
//! give it, a test says so and passes: not every machine lets a test mount.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use hookgate::testkit::{ApiClient, http::Request, http::Response};

/// Tells why a test did nothing.
#[expect(clippy::print_stderr, reason = "a test that was skipped must say so")]
pub(crate) fn skipped(why: &str) {
    eprintln!("SKIPPED: {why}");
}

/// Runs a program to its end; what it said when it failed.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("{program}: {error}")),
    }
}

/// A file system of its own; unmounted when dropped.
pub(crate) struct Mounted {
    /// Where it is mounted; the image, where there is one, lies beside.
    directory: tempfile::TempDir,
}

impl Mounted {
    /// One in memory of so many MiB.
    pub(crate) fn tmpfs(mib: u64) -> Result<Self, String> {
        let directory = tempfile::tempdir().unwrap();
        let mounted = Self { directory };
        std::fs::create_dir(mounted.path()).unwrap();
        run("mount", &["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs", mounted.path().to_str().unwrap()])?;
        Ok(mounted)
    }

    /// An ext4 of so many MiB in a file.
    pub(crate) fn ext4(mib: u64) -> Result<Self, String> {
        let mounted = Self { directory: tempfile::tempdir().unwrap() };
        std::fs::create_dir(mounted.path()).unwrap();
        let image = mounted.image();
        File::create(&image).unwrap().set_len(mib << 20).unwrap();
        run("mkfs.ext4", &["-q", "-F", image.to_str().unwrap()])?;
        mounted.mount()?;
        Ok(mounted)
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("mounted")
    }

    fn image(&self) -> PathBuf {
        self.directory.path().join("image")
    }

    fn mount(&self) -> Result<(), String> {
        run("mount", &["-o", "loop", self.image().to_str().unwrap(), self.path().to_str().unwrap()])
    }

    /// Unmounts and mounts again, as a machine does that comes back.
    pub(crate) fn remount(&self) -> Result<(), String> {
        run("umount", &[self.path().to_str().unwrap()])?;
        self.mount()
    }

    /// Bytes that are free.
    pub(crate) fn free(&self) -> u64 {
        let stat = rustix::fs::statvfs(self.path()).unwrap();
        stat.f_bavail * stat.f_frsize
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Fails only where nothing is mounted; lazily, because a killed process may still be closing its files.
        drop(run("umount", &["-l", self.path().to_str().unwrap_or_default()]));
    }
}

/// A file that takes space away until it is dropped.
pub(crate) struct Ballast(PathBuf);

impl Ballast {
    /// Fills a file system until so few bytes are free; zero for as far as it goes.
    pub(crate) fn fill(disk: &Mounted, leave: u64) -> Self {
        let path = disk.path().join("ballast");
        let mut file = File::create(&path).unwrap();
        let chunk = [0x55; 64 * 1024];
        while disk.free() > leave && file.write_all(&chunk).is_ok() {}
        Self(path)
    }
}

impl Drop for Ballast {
    fn drop(&mut self) {
        // Gone already when its file system is.
        drop(std::fs::remove_file(&self.0));
    }
}

/// A data directory on a file system of its own.
pub(crate) fn data_on(disk: &Mounted) -> PathBuf {
    disk.path().join("data")
}

/// Posts a body and gives whatever is answered; an error where nothing is.
pub(crate) fn post(client: &ApiClient, path: &str, body: &[u8]) -> std::io::Result<Response> {
    Request { method: "POST", target: path, headers: &[], body }.send(client.ingress)
}

/// Asserts that an answer sends its sender away for a while, and why.
pub(crate) fn assert_refused(response: &Response, code: &str) {
    let said = response.json();
    assert_eq!((response.status, said["code"].as_str()), (503, Some(code)), "{said}");
    assert!(response.message.header("retry-after").is_some(), "no Retry-After: {:?}", response.message);
}

/// Whether a program is there.
pub(crate) fn is_installed(program: &str) -> bool {
    Path::new("/usr/bin").join(program).exists() || Path::new("/bin").join(program).exists()
}
