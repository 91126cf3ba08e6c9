//! NATS servers of the tests' own, as one cluster with JetStream. The program comes with Debian's package `nats-server`.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::process::{Supervised, free_port, wait_for};

/// A cluster of servers on this machine.
#[derive(Debug)]
pub(crate) struct Nats {
    folder: tempfile::TempDir,
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    name: String,
    port: u16,
    route: u16,
    process: Option<Supervised>,
}

impl Nats {
    /// Starts `count` servers that know each other.
    pub(crate) fn start(count: usize) -> Self {
        let node = |number| Node {
            name: format!("node-{number}"),
            port: free_port(),
            route: free_port(),
            process: None,
        };
        let mut nats = Self {
            folder: tempfile::tempdir().expect("there is room"),
            nodes: (0..count).map(node).collect(),
        };
        (0..count).for_each(|number| nats.restart(number));
        nats.nodes.iter().for_each(|node| wait_for(node.port, &nats.run_folder(node).join("log")));
        nats
    }

    /// Where they listen, as `--cluster` takes it.
    pub(crate) fn addresses(&self) -> String {
        let addresses: Vec<_> =
            self.nodes.iter().map(|node| format!("nats://127.0.0.1:{}", node.port)).collect();
        addresses.join(",")
    }

    /// Ends a server with SIGKILL.
    pub(crate) fn kill(&mut self, number: usize) {
        if let Some(process) = self.nodes[number].process.take() {
            process.kill();
        }
    }

    /// Starts a server that was ended, on what it had written.
    pub(crate) fn restart(&mut self, number: usize) {
        let others: Vec<_> = self.nodes.iter().map(|node| format!("nats://127.0.0.1:{}", node.route)).collect();
        let node = &self.nodes[number];
        let run = self.run_folder(node);
        std::fs::create_dir_all(&run).expect("there is room");
        let store = self.folder.path().join(&node.name);
        let config = format!(
            "server_name: {}\nhost: 127.0.0.1\nport: {}\njetstream {{ store_dir: {:?}, max_file_store: 1GB, max_memory_store: 64MB }}\n{}",
            node.name,
            node.port,
            store,
            if self.nodes.len() == 1 {
                String::new()
            } else {
                format!("cluster {{ name: tests, host: 127.0.0.1, port: {}, routes: {others:?} }}\n", node.route)
            }
        );
        let file = self.folder.path().join(format!("{}.conf", node.name));
        std::fs::write(&file, config).expect("it can be written");
        let program = program();
        let command = [program.to_str(), Some("-c"), file.to_str()].map(|word| word.expect("it is text"));
        self.nodes[number].process = Some(Supervised::start(&run, &command));
    }

    /// The folder that goes with the process; what it stores stays.
    fn run_folder(&self, node: &Node) -> PathBuf {
        self.folder.path().join(format!("{}.run", node.name))
    }
}

fn program() -> PathBuf {
    let places = [Path::new("/usr/sbin/nats-server"), Path::new("/usr/bin/nats-server")];
    if let Some(place) = places.into_iter().find(|place| place.exists()) {
        return place.to_owned();
    }
    let found = Command::new("nats-server").arg("--version").output();
    assert!(found.is_ok(), "nats-server is needed: sudo apt-get install -y nats-server");
    PathBuf::from("nats-server")
}
