//! A Chromium without a window, driven by the
//! [DevTools protocol](https://chromedevtools.github.io/devtools-protocol/) over two pipes.
#![allow(dead_code, unreachable_pub, reason = "no test file uses all of it")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// How long anything may take before the test fails.
const PATIENCE: Duration = Duration::from_mins(1);

/// The browser, with one page.
pub struct Browser {
    process: Child,
    commands: RefCell<File>,
    messages: Receiver<Value>,
    next: Cell<u64>,
    session: String,
    /// What went wrong on the page, in its console and by its policy.
    problems: RefCell<Vec<String>>,
    /// How often each event came.
    seen: RefCell<BTreeMap<String, u64>>,
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Browser {
    /// Starts one, with its profile in the folder, at this size of window.
    ///
    /// # Panics
    ///
    /// When there is no Chromium on PATH.
    pub fn start(folder: &Path, width: u32, height: u32) -> Self {
        let fifo = |name: &str| {
            let path = folder.join(name);
            let made = Command::new("mkfifo").arg(&path).status().expect("mkfifo runs");
            assert!(made.success(), "{} can be made", path.display());
            path
        };
        let (to, from) = (fifo("to-browser"), fifo("from-browser"));
        let arguments = [
            "--headless=new".to_owned(),
            // The sandbox refuses to work for root, as whom CI runs; the pages are our own.
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--no-first-run".to_owned(),
            "--hide-scrollbars".to_owned(),
            "--force-color-profile=srgb".to_owned(),
            "--remote-debugging-pipe".to_owned(),
            format!("--user-data-dir={}", folder.join("profile").display()),
            format!("--window-size={width},{height}"),
            "about:blank".to_owned(),
        ];
        let process = Command::new("sh")
            .args(["-c", "to=$1 from=$2; shift 2; exec \"$@\" 3<\"$to\" 4>\"$from\"", "sh"])
            .args([&to, &from])
            .arg(program())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the browser starts");
        let commands = OpenOptions::new().write(true).open(&to).expect("the browser listens");
        let answers = BufReader::new(File::open(&from).expect("the browser answers"));
        let mut browser = Self {
            process,
            commands: RefCell::new(commands),
            messages: receive(answers),
            next: Cell::new(1),
            session: String::new(),
            problems: RefCell::default(),
            seen: RefCell::default(),
        };
        browser.attach();
        browser
    }

    fn attach(&mut self) {
        let target = self.call("Target.createTarget", json!({"url": "about:blank"}));
        let attached =
            self.call("Target.attachToTarget", json!({"targetId": target["targetId"], "flatten": true}));
        attached["sessionId"].as_str().expect("there is a session").clone_into(&mut self.session);
        for domain in ["Page", "Runtime", "Log", "Network", "Audits"] {
            self.call(&format!("{domain}.enable"), json!({}));
        }
    }

    /// Sends a command and gives its answer.
    pub fn call(&self, method: &str, parameters: impl Into<Value>) -> Value {
        let parameters = parameters.into();
        let id = self.next.replace(self.next.get() + 1);
        let mut command = json!({"id": id, "method": method, "params": parameters});
        if !self.session.is_empty() {
            command["sessionId"] = json!(self.session);
        }
        let mut text = command.to_string().into_bytes();
        text.push(0);
        self.commands.borrow_mut().write_all(&text).expect("the browser listens");
        let answer = self.until(|message| (message["id"] == id).then(|| message.clone()), method);
        assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
        answer["result"].clone()
    }

    /// Reads messages until one gives a value.
    fn until<T>(&self, wanted: impl Fn(&Value) -> Option<T>, what: &str) -> T {
        let start = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(start.elapsed());
            match self.messages.recv_timeout(left) {
                Ok(message) => {
                    self.note(&message);
                    if let Some(value) = wanted(&message) {
                        return value;
                    }
                }
                Err(RecvTimeoutError::Timeout) => panic!("{what} takes longer than {PATIENCE:?}"),
                Err(RecvTimeoutError::Disconnected) => panic!("the browser ended during {what}"),
            }
        }
    }

    fn note(&self, message: &Value) {
        let Some(method) = message["method"].as_str() else { return };
        *self.seen.borrow_mut().entry(method.to_owned()).or_default() += 1;
        let parameters = &message["params"];
        let problem = match method {
            "Runtime.exceptionThrown" => parameters["exceptionDetails"].to_string(),
            "Runtime.consoleAPICalled" if parameters["type"] == "error" => parameters["args"].to_string(),
            "Log.entryAdded" if parameters["entry"]["level"] == "error" => parameters["entry"].to_string(),
            "Page.javascriptDialogOpening" => format!("dialog {}", parameters["message"]),
            "Audits.issueAdded" if parameters["issue"]["code"] == "ContentSecurityPolicyIssue" => {
                parameters["issue"].to_string()
            }
            _ => return,
        };
        self.problems.borrow_mut().push(problem);
    }

    /// Goes to an address and waits until it is loaded.
    pub fn open(&self, url: &str) {
        let loads = || self.seen.borrow().get("Page.loadEventFired").copied().unwrap_or(0);
        let before = loads();
        let answer = self.call("Page.navigate", json!({ "url": url }));
        assert!(answer["errorText"].is_null(), "{url}: {answer}");
        while loads() == before {
            self.until(|message| (message["method"] == "Page.loadEventFired").then_some(()), url);
        }
    }

    /// What an expression is on the page.
    pub fn eval(&self, expression: &str) -> Value {
        let parameters = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", parameters);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub fn wait(&self, expression: &str) {
        let start = Instant::now();
        // While the page changes there may be nothing to ask.
        let guarded = format!("(() => {{ try {{ return {expression}; }} catch {{ return false; }} }})()");
        while self.eval(&guarded) != json!(true) {
            assert!(start.elapsed() < PATIENCE, "{expression} never becomes true: {}", self.text());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// What a reader sees of the page.
    pub fn text(&self) -> String {
        self.eval("document.body.innerText").as_str().unwrap_or_default().to_owned()
    }

    /// Presses and releases a key.
    pub fn press(&self, key: &str, code: u32) {
        for kind in ["rawKeyDown", "keyUp"] {
            let parameters = json!({"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code});
            self.call("Input.dispatchKeyEvent", parameters);
        }
    }

    /// Takes what went wrong since the last time.
    pub fn problems(&self) -> Vec<String> {
        // Whatever the page said before this is read with the answer.
        self.eval("1");
        std::mem::take(&mut *self.problems.borrow_mut())
    }

    /// A picture of the window, as a PNG.
    pub fn picture(&self) -> Vec<u8> {
        let answer = self.call("Page.captureScreenshot", json!({"format": "png"}));
        let picture = answer["data"].as_str().expect("there is a picture");
        BASE64_STANDARD.decode(picture).expect("it is base64")
    }
}

fn program() -> PathBuf {
    let folders: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    let mut candidates = NAMES.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
    candidates.find(|path| path.is_file()).unwrap_or_else(|| {
        panic!("no Chromium is on PATH, under the names {NAMES:?}; Debian: apt-get install chromium")
    })
}

/// Messages as they come, each ended by a zero.
fn receive(mut answers: BufReader<File>) -> Receiver<Value> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut message = Vec::new();
        while answers.read_until(0, &mut message).is_ok_and(|read| read > 0) {
            message.pop();
            let Ok(value) = serde_json::from_slice(&message) else { break };
            if sender.send(value).is_err() {
                break;
            }
            message.clear();
        }
    });
    receiver
}
