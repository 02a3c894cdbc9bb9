//! The real binary as a child process: started on a directory, killed, asked to stop, listened to.

use std::io::{BufRead, BufReader, Read};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::http::Request;
use super::{ApiClient, PATIENCE, free_address, poll};

/// The API key every gateway of a test is started with.
pub const API_KEY: &str = "hk_test_0123456789abcdefghijklmn";
/// Between choosing a port and listening on it somebody else may take it: so often another one is tried.
const PORT_TRIES: usize = 4;

/// How to start a gateway.
#[derive(Debug, Clone)]
pub struct Launch {
    binary: PathBuf,
    data: PathBuf,
    settings: Vec<(String, String)>,
    wrapper: Vec<String>,
    arguments: Vec<String>,
    ingress: IpAddr,
}

/// A child that ended by itself.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// All it said.
    pub output: String,
}

impl Launch {
    /// The binary on this data directory; tests give `env!("CARGO_BIN_EXE_hookgate")`.
    #[must_use]
    pub fn new(binary: impl Into<PathBuf>, data: &Path) -> Self {
        Self {
            binary: binary.into(),
            data: data.to_owned(),
            settings: Vec::new(),
            wrapper: Vec::new(),
            arguments: Vec::new(),
            ingress: Ipv4Addr::LOCALHOST.into(),
        }
    }

    /// Runs it through another program that takes a command line and becomes it: `prlimit`, `strace -D`.
    #[must_use]
    pub fn through(mut self, program: &[&str]) -> Self {
        self.wrapper = program.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Gives it these arguments: another command than the one that runs the gateway.
    #[must_use]
    pub fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments = arguments.iter().map(|&word| word.to_owned()).collect();
        self
    }

    /// Sets `section.name` through the environment.
    #[must_use]
    pub fn setting(mut self, name: &str, value: &str) -> Self {
        let variable = format!("HOOKGATE__{}", name.to_uppercase().replace('.', "__"));
        self.settings.push((variable, value.to_string()));
        self
    }

    /// Gives it an environment variable that is none of its settings.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Lets its sources listen on every address of the machine; they are still reached through loopback.
    #[must_use]
    pub fn ingress_on_every_address(mut self) -> Self {
        self.ingress = Ipv4Addr::UNSPECIFIED.into();
        self
    }

    /// Starts it and waits until it is ready.
    ///
    /// # Panics
    ///
    /// When it ends, or is not ready in time; with what it said.
    #[must_use]
    pub fn start(&self) -> GatewayProcess {
        for _ in 0..PORT_TRIES {
            let mut gateway = self.spawn();
            if gateway.wait_until_ready() {
                return gateway;
            }
            let said = gateway.output();
            assert!(said.contains("in use"), "the gateway did not become ready: {said}");
        }
        panic!("no free port in {PORT_TRIES} tries");
    }

    /// Starts it without waiting for anything.
    ///
    /// # Panics
    ///
    /// When the binary cannot be run.
    #[must_use]
    pub fn spawn(&self) -> GatewayProcess {
        let ingress = free_address();
        // Nobody holds the first meanwhile: it may be given a second time.
        let api = std::iter::repeat_with(free_address).find(|api| api.port() != ingress.port()).unwrap_or(ingress);
        let mut child = self
            .command()
            .env_clear()
            .env("HOOKGATE__DATA__DIR", &self.data)
            .env("HOOKGATE__INGRESS__LISTEN", SocketAddr::new(self.ingress, ingress.port()).to_string())
            .env("HOOKGATE__API__LISTEN", api.to_string())
            .env("HOOKGATE_API_KEY", API_KEY)
            .envs(self.settings.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not run: {error}", self.binary.display()));
        let said = Arc::new(Mutex::new(String::new()));
        let listeners = [
            child.stdout.take().map(|pipe| listen(pipe, Arc::clone(&said))),
            child.stderr.take().map(|pipe| listen(pipe, Arc::clone(&said))),
        ];
        GatewayProcess { child, ingress, api, said, listeners: listeners.into_iter().flatten().collect() }
    }

    fn command(&self) -> Command {
        let mut command = match self.wrapper.split_first() {
            Some((program, words)) => {
                let mut command = Command::new(program);
                command.args(words).arg(&self.binary);
                command
            }
            None => Command::new(&self.binary),
        };
        command.args(&self.arguments);
        command
    }

    /// Starts it, expecting that it ends by itself.
    ///
    /// # Panics
    ///
    /// When it has not ended in time.
    #[must_use]
    pub fn run_to_end(&self) -> Ended {
        let mut gateway = self.spawn();
        let status = gateway.wait(PATIENCE).unwrap_or_else(|| panic!("it goes on: {}", gateway.output()));
        Ended { status, output: gateway.output() }
    }
}

/// What a panic leaves in the log: ours, and the standard library's.
const PANICS: [&str; 2] = ["panic: ", "panicked at"];

/// A running gateway; dropping it kills it, and fails the test if anything in it panicked.
pub struct GatewayProcess {
    child: Child,
    /// Where sources listen.
    pub ingress: SocketAddr,
    /// Where the API listens.
    pub api: SocketAddr,
    said: Arc<Mutex<String>>,
    listeners: Vec<std::thread::JoinHandle<()>>,
}

impl GatewayProcess {
    /// A client with the key it was started with.
    #[must_use]
    pub fn client(&self) -> ApiClient {
        ApiClient { address: self.api, ingress: self.ingress, key: API_KEY.to_owned() }
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote so far to stdout and stderr.
    #[must_use]
    pub fn output(&self) -> String {
        self.said.lock().clone()
    }

    /// Ends it as a crash does.
    ///
    /// # Panics
    ///
    /// When the machine will not let it end.
    pub fn kill(mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a killed child ends");
    }

    /// Asks it to stop and waits for that.
    ///
    /// # Panics
    ///
    /// When it has not stopped in time.
    #[must_use]
    pub fn stop(self) -> Ended {
        self.terminate();
        self.stopped()
    }

    /// Its end after [`terminate`](Self::terminate).
    ///
    /// # Panics
    ///
    /// When it has not stopped in time.
    #[must_use]
    pub fn stopped(mut self) -> Ended {
        let status = self.wait(PATIENCE).unwrap_or_else(|| panic!("it ignores SIGTERM: {}", self.output()));
        Ended { status, output: self.output() }
    }

    /// Sends SIGTERM and returns at once.
    ///
    /// # Panics
    ///
    /// When there is no such process.
    pub fn terminate(&self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        let pid = pid.expect("a child has a process id");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a child can be signalled");
    }

    /// Waits until it ends, and until all it said has been read.
    #[must_use]
    pub fn wait(&mut self, bound: Duration) -> Option<ExitStatus> {
        let status = poll(bound, || self.child.try_wait().ok().flatten())?;
        for listener in self.listeners.drain(..) {
            drop(listener.join());
        }
        Some(status)
    }

    /// `false` when it ended instead.
    fn wait_until_ready(&mut self) -> bool {
        let request = Request { method: "GET", target: "/-/readyz", ..Request::default() };
        let ready = poll(PATIENCE, || {
            if self.child.try_wait().ok().flatten().is_some() {
                return Some(false);
            }
            request.send(self.api).is_ok_and(|response| response.status == 200).then_some(true)
        });
        match ready {
            Some(true) => true,
            // It has ended: this reads what it said to the end.
            Some(false) => self.wait(PATIENCE).is_none(),
            None => panic!("not ready after {PATIENCE:?}: {}", self.output()),
        }
    }
}

impl Drop for GatewayProcess {
    fn drop(&mut self) {
        // Both fail only for a child that has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
        for listener in self.listeners.drain(..) {
            drop(listener.join());
        }
        let said = self.said.lock();
        if !std::thread::panicking() {
            assert!(!PANICS.iter().any(|sign| said.contains(sign)), "the gateway panicked: {said}");
        }
    }
}

fn listen(pipe: impl Read + Send + 'static, said: Arc<Mutex<String>>) -> std::thread::JoinHandle<()> {
    std::thread::spawn(move || {
        let mut lines = BufReader::new(pipe).split(b'\n');
        while let Some(Ok(line)) = lines.next() {
            let mut said = said.lock();
            said.push_str(&String::from_utf8_lossy(&line));
            said.push('\n');
        }
    })
}

#[cfg(test)]
mod tests;
