//! The tool that the tests of the alert rules for Prometheus need.

use crate::failure::Failure;
use crate::report_line::step;
use crate::{process, system_package};

/// Makes sure that promtool is on PATH: installs it where that is possible without asking, or names the command.
pub(crate) fn ensure() -> Result<(), Failure> {
    if process::on_path("promtool") {
        return Ok(());
    }
    if system_package::may_install() {
        step("installing prometheus with apt-get, for the tests of the alert rules");
        system_package::install("prometheus")?;
        if process::on_path("promtool") {
            return Ok(());
        }
    }
    Err(Failure::environment(
        "there is no promtool on PATH, which the tests of the alert rules need",
        "run `sudo apt-get install -y prometheus` (or your system's equivalent)",
    ))
}
