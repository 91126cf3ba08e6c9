//! NATS servers of the tests' own, as one cluster with JetStream. The program comes with Debian's package `nats-server`.

use std::path::PathBuf;

use crate::process::{Supervised, free_port, wait_for};

/// A cluster of servers on this machine.
#[derive(Debug)]
pub struct Nats {
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
    pub fn start(count: usize) -> Self {
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
    pub fn addresses(&self) -> String {
        let addresses: Vec<_> =
            self.nodes.iter().map(|node| format!("nats://127.0.0.1:{}", node.port)).collect();
        addresses.join(",")
    }

    /// Ends a server with SIGKILL.
    pub fn kill(&mut self, number: usize) {
        if let Some(process) = self.nodes[number].process.take() {
            process.kill();
        }
    }

    /// Starts a server that was ended, on what it had written.
    pub fn restart(&mut self, number: usize) {
        let others: Vec<_> =
            self.nodes.iter().map(|node| format!("nats://127.0.0.1:{}", node.route)).collect();
        let node = &self.nodes[number];
        let run = self.run_folder(node);
        std::fs::create_dir_all(&run).expect("there is room");
        let store = self.folder.path().join(&node.name);
        let config = format!(
            "server_name: {}\nhost: 127.0.0.1\nport: {}\njetstream {{ store_dir: \"{}\", max_file_store: 8GB, max_memory_store: 64MB }}\n{}",
            node.name,
            node.port,
            store.display(),
            if self.nodes.len() == 1 {
                String::new()
            } else {
                format!(
                    "cluster {{ name: tests, host: 127.0.0.1, port: {}, routes: {others:?} }}\n",
                    node.route
                )
            }
        );
        let file = self.folder.path().join(format!("{}.conf", node.name));
        std::fs::write(&file, config).expect("it can be written");
        let program = program().expect("NATS is needed: sudo apt-get install -y nats-server");
        let command = [program.to_str(), Some("-c"), file.to_str()].map(|word| word.expect("it is text"));
        self.nodes[number].process = Some(Supervised::start(&run, &command));
    }

    /// The folder that goes with the process; what it stores stays.
    fn run_folder(&self, node: &Node) -> PathBuf {
        self.folder.path().join(format!("{}.run", node.name))
    }
}

/// Where the program is.
pub fn program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian's folder for servers is on the path of root alone.
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join("nats-server")).find(|program| program.is_file())
}
