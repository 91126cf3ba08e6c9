//! The browser that the tests of the HTML report need.

use crate::failure::Failure;
use crate::report_line::step;
use crate::{process, system_package};

const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// Makes sure that a Chromium is on PATH: installs it where that is possible without asking, or names the command.
pub(crate) fn ensure() -> Result<(), Failure> {
    let found = || NAMES.iter().any(|name| process::on_path(name));
    if found() {
        return Ok(());
    }
    if system_package::may_install() {
        step("installing chromium with apt-get, for the tests of the HTML report");
        system_package::install("chromium")?;
        if found() {
            return Ok(());
        }
    }
    Err(Failure::environment(
        "there is no Chromium on PATH, which the tests of the HTML report need",
        "run `sudo apt-get install -y chromium` (or your system's equivalent)",
    ))
}
