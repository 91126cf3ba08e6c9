//! Server processes that end, and whose folders go, when this process does, however it ends.

use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Runs the command until its input ends, which it does with this process, then takes its folder away.
const SUPERVISE: &str = r#"
"$@" < /dev/null & server=$!
read -r signal
kill -"${signal:-QUIT}" $server
wait $server
rm -rf "$FOLDER"
"#;

/// A server, under a shell that outlives neither it nor us. Dropped, it is told to quit and waited for.
#[derive(Debug)]
pub struct Supervised(Child);

impl Supervised {
    /// Starts the command; `folder` goes when it has ended.
    pub fn start(folder: &Path, command: &[&str]) -> Self {
        let log = std::fs::File::create(folder.join("log")).expect("the folder can be written");
        let child = Command::new("sh")
            .args(["-c", SUPERVISE, "supervise"])
            .args(command)
            .env("FOLDER", folder)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().expect("it is open"))
            .stderr(log)
            .spawn()
            .expect("there is a shell");
        Self(child)
    }

    /// Ends it with SIGKILL.
    pub fn kill(mut self) {
        if let Some(mut input) = self.0.stdin.take() {
            writeln!(input, "KILL").expect("the shell listens");
        }
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Ports that are given out: below those that the system takes for connections, so that none of these is in the way when
/// a server that was killed starts again.
const PORTS: std::ops::Range<u32> = 20_000..32_000;

/// A port that nothing uses, and that this process gives out once.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let count = PORTS.end - PORTS.start;
    // Processes at the same time begin elsewhere.
    let begin = std::process::id().wrapping_mul(997);
    let ports = std::iter::repeat_with(|| {
        let number = begin.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        u16::try_from(PORTS.start + number % count).expect("it is below 65536")
    });
    let mut free = ports.take(1000).filter(|port| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.next().expect("there is a port")
}

/// Waits until something listens at the port of this machine.
pub fn wait_for(port: u16, log: &Path) {
    for _ in 0..300 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("nothing listens on port {port}: {}", std::fs::read_to_string(log).unwrap_or_default());
}
